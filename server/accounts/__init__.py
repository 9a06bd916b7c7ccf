"""People who sign in: accounts with a role and a password, and limits on guessing."""
