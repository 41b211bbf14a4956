"""jinja2 templates: mails, job scripts, pages (installed as astran.templates)."""
