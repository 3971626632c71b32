//! The long-running process: reads logs, detects, and survives being killed at any instant.
