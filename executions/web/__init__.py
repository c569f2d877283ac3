"""The HTML pages: views, forms and the data they show."""
