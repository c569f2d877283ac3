"""asyncio tools that know nothing of Django."""
