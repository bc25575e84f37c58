"""Values: dates, periods, numbers and quantities as typed literals."""
