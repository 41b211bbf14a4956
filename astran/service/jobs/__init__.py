"""From stored tasks to ended jobs: submission, polling, completion, retries."""
