"""What certificates promise in the field, played live over HTTP: `make field` prints it."""
