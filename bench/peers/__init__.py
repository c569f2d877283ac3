"""What Runwire is compared with, each written as its users would write it, and where there is a choice, in its favour:
events are serialised by the publisher, and no peer but the Channels one looks at credentials or at a database."""
