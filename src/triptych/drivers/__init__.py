"""What installs rows in one kind of data plane; a folder per driver, none imports another."""
