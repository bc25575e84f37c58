"""Records, Arrow schemas, label schema and configuration, which all packages share."""
