//! Rules against the archive: the same plan and the same correlation core as live.
