"""What people look at in a terminal: an entity, the state of a folder, two graphs side by side."""
