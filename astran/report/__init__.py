"""What happened, as data for mails, attachments and pages."""
