"""From trained parts to a pipeline that can be packaged."""
