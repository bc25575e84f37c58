"""Jobs that outlive the command that started them: submission, and their end."""
