"""One module a command, each with `OPTIONS`, its groups of options, and `main(call)`."""
