"""Records, Arrow schemas, label schema and configuration: what the packages share."""
