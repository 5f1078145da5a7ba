"""The tables of the catalogue, column by column: docs/schema.md is checked against them."""

TABLES = """
CREATE TABLE IF NOT EXISTS segments (
    sha256           TEXT PRIMARY KEY,  -- of the file's bytes
    camera_id        TEXT NOT NULL,     -- the camera that filmed it
    path             TEXT NOT NULL,     -- of the original, relative to the root
    stamped_start_ns INTEGER NOT NULL,  -- claimed instant of first_pts, ns since 1970 UTC
    first_pts        INTEGER NOT NULL,  -- presentation time of the first frame, ticks
    stop_pts         INTEGER NOT NULL,  -- where the last frame's presentation ends, ticks
    time_base_num    INTEGER NOT NULL,  -- the file's own seconds per tick, numerator
    time_base_den    INTEGER NOT NULL,  -- the same, denominator
    tick_num         INTEGER NOT NULL,  -- seconds per tick as used, numerator
    tick_den         INTEGER NOT NULL,  -- the same, denominator
    frame_count      INTEGER NOT NULL,  -- frames in the packet index
    width_px         INTEGER NOT NULL,  -- as displayed, after rotation
    height_px        INTEGER NOT NULL,  -- as displayed, after rotation
    codec            TEXT NOT NULL,     -- FFmpeg's name
    rotation_deg     INTEGER NOT NULL,  -- applied for display
    size_bytes       INTEGER NOT NULL,  -- of the file
    notes            TEXT NOT NULL      -- JSON list of remarks made at ingest
) STRICT;
CREATE INDEX IF NOT EXISTS segments_by_time ON segments (camera_id, stamped_start_ns);
-- How long a camera's longest file is bounds how far back a search in time must begin.
CREATE INDEX IF NOT EXISTS segments_by_length
    ON segments (camera_id, (stop_pts - first_pts) * 1.0 * tick_num / tick_den);
CREATE INDEX IF NOT EXISTS segments_by_size ON segments (size_bytes);
CREATE TABLE IF NOT EXISTS clock_fixes (
    fix_id         INTEGER PRIMARY KEY,  -- order of entry: a later fix replaces an earlier one
    camera_id      TEXT NOT NULL,        -- whose clock
    valid_start_ns INTEGER NOT NULL,     -- first stamped instant it holds for
    valid_stop_ns  INTEGER NOT NULL,     -- stamped instant it no longer holds for
    offset_ns      INTEGER NOT NULL,     -- added to stamped time to get UTC
    sigma_ns       INTEGER NOT NULL,     -- one standard deviation of the result
    method         TEXT NOT NULL,        -- ntp, rtcp, overlay, operator or matched
    drift_ppb      INTEGER NOT NULL,     -- growth of the offset, parts per billion
    note           TEXT NOT NULL         -- in words, how it was found
) STRICT;
CREATE INDEX IF NOT EXISTS clock_fixes_by_camera ON clock_fixes (camera_id, fix_id);
CREATE INDEX IF NOT EXISTS clock_fixes_by_validity ON clock_fixes (camera_id, valid_stop_ns);
CREATE TABLE IF NOT EXISTS losses (
    camera_id TEXT NOT NULL,     -- whose footage ended
    at_ns     INTEGER NOT NULL,  -- when that was noticed, UTC
    cause     TEXT NOT NULL,     -- in one word: see records.LossCause
    detail    TEXT NOT NULL,     -- in words, without secrets
    PRIMARY KEY (camera_id, at_ns, cause)
) STRICT;
CREATE TABLE IF NOT EXISTS incidents (
    incident_id     TEXT PRIMARY KEY,  -- its first camera and when that fell out
    kind            TEXT NOT NULL,     -- lost, or the fault of the picture or clock
    opened_ns       INTEGER NOT NULL,  -- when it began, UTC
    closed_ns       INTEGER,           -- when its last camera was well; NULL: it goes on
    affected        TEXT NOT NULL,     -- JSON list of records.Affected: camera by camera
    evidence        TEXT NOT NULL,     -- JSON: what was noticed, template and values; or null
    cause           TEXT NOT NULL,     -- JSON: what that points to, template and values; or null
    cause_kind      TEXT NOT NULL,     -- that cause in a word; empty until inferred
    scope           TEXT NOT NULL,     -- the site, branch or camera the cause is about
    probability     REAL NOT NULL,     -- of the cause, 0 to 1
    responses       TEXT NOT NULL,     -- JSON list of records.Response: what was done by itself
    told_ns         INTEGER,           -- when people were told, UTC
    acknowledged_by TEXT NOT NULL,     -- who has seen it; empty: nobody
    acknowledged_ns INTEGER,           -- when, UTC
    closed_by       TEXT NOT NULL,     -- who closed it; empty: it ended by itself
    note            TEXT NOT NULL      -- what they wrote
) STRICT;
CREATE INDEX IF NOT EXISTS incidents_by_time ON incidents (opened_ns);
CREATE INDEX IF NOT EXISTS incidents_open ON incidents (closed_ns) WHERE closed_ns IS NULL;
CREATE TABLE IF NOT EXISTS tasks (
    incident_id TEXT PRIMARY KEY,  -- the incident that did not mend itself
    opened_ns   INTEGER NOT NULL,  -- since when somebody should look, UTC
    checks      TEXT NOT NULL,     -- JSON list: what to look at, templates and values
    closed_ns   INTEGER,           -- when it was done with, UTC; NULL: it waits
    closed_by   TEXT NOT NULL,     -- who closed it; empty: the incident ended
    note        TEXT NOT NULL      -- what they found
) STRICT;
CREATE TABLE IF NOT EXISTS dropped (
    drop_id    INTEGER PRIMARY KEY,  -- order of entry
    sha256     TEXT NOT NULL,        -- of the file that was removed
    camera_id  TEXT NOT NULL,        -- the camera that filmed it
    start_ns   INTEGER NOT NULL,     -- stamped instant of its first frame
    stop_ns    INTEGER NOT NULL,     -- stamped instant its last frame ended
    size_bytes INTEGER NOT NULL,     -- of the removed file
    at_ns      INTEGER NOT NULL,     -- when it was removed, UTC
    why        TEXT NOT NULL         -- age: its days were over; disk: no room was left
) STRICT;
CREATE INDEX IF NOT EXISTS dropped_by_time ON dropped (camera_id, start_ns);
CREATE INDEX IF NOT EXISTS dropped_by_length ON dropped (camera_id, stop_ns - start_ns);
CREATE INDEX IF NOT EXISTS dropped_by_hash ON dropped (sha256);
CREATE TABLE IF NOT EXISTS dropped_days (
    day_id       INTEGER PRIMARY KEY,  -- order of entry
    camera_id    TEXT NOT NULL,        -- the camera that filmed the files
    why          TEXT NOT NULL,        -- age: their days were over; disk: no room was left
    start_ns     INTEGER NOT NULL,     -- stamped instant of the first frame of all
    stop_ns      INTEGER NOT NULL,     -- stamped instant the last frame of all ended
    files        INTEGER NOT NULL,     -- how many files were removed
    size_bytes   INTEGER NOT NULL,     -- of the removed files together
    spans        TEXT NOT NULL,        -- JSON, of what was whole: start_ns, stop_ns, files, bytes
    first_at_ns  INTEGER NOT NULL,     -- when the first of them was removed, UTC
    last_at_ns   INTEGER NOT NULL,     -- when the last of them was removed, UTC
    last_drop_id INTEGER NOT NULL,     -- newest row of dropped that this one stands for
    sha256       TEXT NOT NULL,        -- of their hashes, sorted, each with a line feed
    made_at_ns   INTEGER NOT NULL      -- when they were put together, UTC
) STRICT;
CREATE INDEX IF NOT EXISTS dropped_days_by_time ON dropped_days (camera_id, start_ns);
CREATE INDEX IF NOT EXISTS dropped_days_by_drop ON dropped_days (camera_id, last_drop_id);
CREATE TABLE IF NOT EXISTS protections (
    protection_id INTEGER PRIMARY KEY,  -- order of entry
    cameras       TEXT NOT NULL,        -- JSON list of the cameras kept; empty: every camera
    start_ns      INTEGER NOT NULL,     -- first instant that is kept, UTC
    stop_ns       INTEGER NOT NULL,     -- first instant that is not, UTC
    number        TEXT NOT NULL,        -- of the case or the accident
    reason        TEXT NOT NULL,        -- why it must be kept
    made_by       TEXT NOT NULL,        -- who asked for it
    made_at_ns    INTEGER NOT NULL      -- when it was asked for, UTC
) STRICT;
CREATE TABLE IF NOT EXISTS lifts (
    protection_id INTEGER PRIMARY KEY,  -- the protection that ended
    reason        TEXT NOT NULL,        -- why it need not be kept any more
    lifted_by     TEXT NOT NULL,        -- who ended it
    lifted_at_ns  INTEGER NOT NULL      -- when it ended, UTC
) STRICT;
CREATE TABLE IF NOT EXISTS journalled (
    table_name TEXT PRIMARY KEY,  -- a table that is written to the journal on disk too
    last       INTEGER NOT NULL   -- number of its newest row there
) STRICT;
CREATE TABLE IF NOT EXISTS versions (
    table_name TEXT NOT NULL,     -- incidents or tasks: a table whose rows change
    row_key    TEXT NOT NULL,     -- incident_id of the row
    version    INTEGER NOT NULL,  -- how often it was written
    told       INTEGER NOT NULL,  -- its newest version in the journal; 0: none
    PRIMARY KEY (table_name, row_key)
) STRICT;
CREATE INDEX IF NOT EXISTS versions_untold ON versions (table_name) WHERE told < version;
CREATE TABLE IF NOT EXISTS cases (
    version         INTEGER PRIMARY KEY,  -- order of entry: the newest of a case is in force
    case_id         TEXT NOT NULL,        -- number of the case
    title           TEXT NOT NULL,        -- in words
    legal_basis     TEXT NOT NULL,        -- statute or order, by number
    reason          TEXT NOT NULL,        -- why footage is needed
    period_start_ns INTEGER NOT NULL,     -- first instant that may be looked at, UTC
    period_stop_ns  INTEGER NOT NULL,     -- first instant that may not, UTC
    cameras         TEXT NOT NULL,        -- JSON list of cameras; empty: every camera of the ward
    opened_by       TEXT NOT NULL,        -- who opened it
    opened_at_ns    INTEGER NOT NULL,     -- when, UTC
    closed          INTEGER NOT NULL,     -- 1: nothing more may be looked at under it
    training        INTEGER NOT NULL,     -- 1: simulated footage
    offence         TEXT NOT NULL DEFAULT '',   -- offence or act, in words; empty: not said
    category        TEXT NOT NULL DEFAULT '',   -- key of its category; empty: none
    people          TEXT NOT NULL DEFAULT '[]', -- JSON list of who works on it; empty: not bound
    closed_at_ns    INTEGER NOT NULL DEFAULT 0  -- when it was closed, UTC; 0: open, or not known
) STRICT;
CREATE INDEX IF NOT EXISTS cases_by_id ON cases (case_id, version);
CREATE TABLE IF NOT EXISTS searched (
    segment_sha256 TEXT NOT NULL,     -- the file
    first_pts      INTEGER NOT NULL,  -- first tick that recognition looked at
    stop_pts       INTEGER NOT NULL,  -- first tick after it that it did not
    model_ref      TEXT NOT NULL,     -- models and settings that looked
    failure        TEXT NOT NULL,     -- why nothing came of it; empty: it was searched
    PRIMARY KEY (segment_sha256, first_pts, stop_pts, model_ref)
) STRICT;
CREATE TABLE IF NOT EXISTS sighting_days (
    segment_sha256 TEXT NOT NULL,  -- the file
    day            TEXT NOT NULL,  -- UTC day, like 2026-11-20, that may hold sightings of it
    PRIMARY KEY (segment_sha256, day)
) STRICT;
CREATE TABLE IF NOT EXISTS progress (
    job    TEXT PRIMARY KEY,   -- name of the work
    done   REAL NOT NULL,      -- how far, in unit
    total  REAL NOT NULL,      -- of how much, in unit
    unit   TEXT NOT NULL,      -- of done and total
    text   TEXT NOT NULL,      -- in words
    failed TEXT NOT NULL,      -- JSON list of what failed, in words
    at_ns  INTEGER NOT NULL    -- when it was said, UTC
) STRICT;
CREATE TABLE IF NOT EXISTS audit (
    seq         INTEGER PRIMARY KEY,  -- 1, 2, 3, ... without a gap
    at_ns       INTEGER NOT NULL,     -- when, UTC
    actor       TEXT NOT NULL,        -- who
    action      TEXT NOT NULL,        -- did what
    subject     TEXT NOT NULL,        -- to what
    case_id     TEXT NOT NULL,        -- under which case; empty: none needed
    reason      TEXT NOT NULL,        -- why, in words
    details     TEXT NOT NULL,        -- JSON object
    prev_sha256 TEXT NOT NULL,        -- hash of the entry before it
    sha256      TEXT NOT NULL         -- hash of this entry's other columns
) STRICT;
"""
"""Every table of the catalogue; the remark after each column is its documentation."""

TRIGGERS = """
CREATE TRIGGER IF NOT EXISTS audit_keeps BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS audit_stays BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit ledger is append-only'); END;
-- INSERT OR REPLACE deletes without asking the trigger above: refuse any number but the next.
CREATE TRIGGER IF NOT EXISTS audit_follows BEFORE INSERT ON audit
    WHEN NEW.seq IS NOT (SELECT COALESCE(MAX(seq), 0) + 1 FROM audit)
    BEGIN SELECT RAISE(ABORT, 'the audit ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS protections_keep BEFORE UPDATE ON protections
    BEGIN SELECT RAISE(ABORT, 'a protection is lifted, never altered'); END;
CREATE TRIGGER IF NOT EXISTS protections_stay BEFORE DELETE ON protections
    BEGIN SELECT RAISE(ABORT, 'a protection is lifted, never altered'); END;
CREATE TRIGGER IF NOT EXISTS lifts_keep BEFORE UPDATE ON lifts
    BEGIN SELECT RAISE(ABORT, 'a protection is lifted once'); END;
CREATE TRIGGER IF NOT EXISTS lifts_stay BEFORE DELETE ON lifts
    BEGIN SELECT RAISE(ABORT, 'a protection is lifted once'); END;
CREATE TRIGGER IF NOT EXISTS dropped_keep BEFORE UPDATE ON dropped
    BEGIN SELECT RAISE(ABORT, 'what was dropped stays told'); END;
DROP TRIGGER IF EXISTS dropped_stay;
CREATE TRIGGER IF NOT EXISTS dropped_stays BEFORE DELETE ON dropped
    WHEN NOT EXISTS (SELECT 1 FROM dropped_days day WHERE day.camera_id = OLD.camera_id
        AND day.last_drop_id >= OLD.drop_id AND day.why = OLD.why
        AND OLD.at_ns BETWEEN day.first_at_ns AND day.last_at_ns)
    BEGIN SELECT RAISE(ABORT, 'what was dropped stays told'); END;
CREATE TRIGGER IF NOT EXISTS dropped_days_keep BEFORE UPDATE ON dropped_days
    BEGIN SELECT RAISE(ABORT, 'what was dropped stays told'); END;
CREATE TRIGGER IF NOT EXISTS dropped_days_stay BEFORE DELETE ON dropped_days
    BEGIN SELECT RAISE(ABORT, 'what was dropped stays told'); END;
CREATE TRIGGER IF NOT EXISTS incidents_begin AFTER INSERT ON incidents
    BEGIN INSERT INTO versions VALUES ('incidents', NEW.incident_id, 1, 0); END;
CREATE TRIGGER IF NOT EXISTS incidents_change AFTER UPDATE ON incidents
    BEGIN UPDATE versions SET version = version + 1
        WHERE table_name = 'incidents' AND row_key = NEW.incident_id; END;
CREATE TRIGGER IF NOT EXISTS tasks_begin AFTER INSERT ON tasks
    BEGIN INSERT INTO versions VALUES ('tasks', NEW.incident_id, 1, 0); END;
CREATE TRIGGER IF NOT EXISTS tasks_change AFTER UPDATE ON tasks
    WHEN NEW.checks <> OLD.checks OR NEW.closed_ns IS NOT OLD.closed_ns
    BEGIN UPDATE versions SET version = version + 1
        WHERE table_name = 'tasks' AND row_key = NEW.incident_id; END;
CREATE TRIGGER IF NOT EXISTS cases_keep BEFORE UPDATE ON cases
    BEGIN SELECT RAISE(ABORT, 'versions of a case are kept'); END;
CREATE TRIGGER IF NOT EXISTS cases_stay BEFORE DELETE ON cases
    BEGIN SELECT RAISE(ABORT, 'versions of a case are kept'); END;
"""

OLDER = """
INSERT INTO versions
    SELECT 'incidents', incident_id, 1, 0 FROM incidents WHERE NOT EXISTS (SELECT 1 FROM versions)
    UNION ALL
    SELECT 'tasks', incident_id, 1, 0 FROM tasks WHERE NOT EXISTS (SELECT 1 FROM versions);
"""
"""Takes up what an earlier workbench wrote before there were versions."""

ADDED = {
    "cases": (
        "offence TEXT NOT NULL DEFAULT ''",
        "category TEXT NOT NULL DEFAULT ''",
        "people TEXT NOT NULL DEFAULT '[]'",
        "closed_at_ns INTEGER NOT NULL DEFAULT 0",
    )
}
"""Columns that tables of an earlier workbench have not got: they are added, with what counts."""
