"""The first minute: real shop events through the whole path, in one process, with a picture of what happens."""
