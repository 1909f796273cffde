-- Only adds: the version before this one goes on working with it.

-- Whose events an endpoint hears of (null: everybody's), and which (a JSON list of ids; null: all).
ALTER TABLE webhooks ADD COLUMN organiser_id TEXT;
ALTER TABLE webhooks ADD COLUMN event_ids TEXT;

-- How far `reservations` has each event: the last envelope before which none is missing. Where a row is missing or set back,
-- everything behind it is read again from the event's log.
CREATE TABLE projections (
  event_id TEXT PRIMARY KEY,
  sequence INTEGER NOT NULL
);

-- What is projected after all is no dead letter any more.
CREATE INDEX dead_letters_by_event ON dead_letters (event_id);
