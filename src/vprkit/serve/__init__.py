"""The service: a map that answers over HTTP, and its page. `vpr serve MAP` runs it."""
