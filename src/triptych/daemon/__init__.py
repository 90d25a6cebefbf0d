"""What both daemons need before they begin: settings from file, environment and flags, and logs."""
