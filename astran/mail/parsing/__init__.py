"""Reading mails from anywhere: headers, charsets, HTML, quotes, S/MIME."""
