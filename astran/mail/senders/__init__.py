"""Who really sent a mail: authentication results, DKIM, secrets, automatic mail."""
