"""Results drawn: HTML reports, prediction sheets, tables for papers."""
