-- What is asked across events. Instants are milliseconds since 1970.

CREATE TABLE users (
  user_id       TEXT PRIMARY KEY,
  username      TEXT NOT NULL UNIQUE COLLATE NOCASE,
  display_name  TEXT NOT NULL,
  email         TEXT NOT NULL,
  -- Only data makes an admin: nothing in the contract writes this column.
  role          TEXT NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'admin')),
  password_hash TEXT NOT NULL,
  created_at    INTEGER NOT NULL
);

-- Answers given on /auth with an Idempotency-Key. No token is kept: it is signed again from user and time.
CREATE TABLE auth_records (
  scope       TEXT PRIMARY KEY,
  fingerprint TEXT NOT NULL,
  user_id     TEXT NOT NULL,
  issued_at   INTEGER NOT NULL,
  expires_at  INTEGER NOT NULL
);
CREATE INDEX auth_records_by_expiry ON auth_records (expires_at);

-- The catalogue. `body` is domain::event::Event as JSON, `version` the one inside it.
CREATE TABLE events (
  event_id   TEXT PRIMARY KEY,
  version    INTEGER NOT NULL,
  body       TEXT NOT NULL,
  updated_at INTEGER NOT NULL
);

-- Organisers' endpoints.
CREATE TABLE webhooks (
  webhook_id TEXT PRIMARY KEY,
  url        TEXT NOT NULL,
  secret     TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);

-- What the queue `sale-events` could not deliver. `body` is the envelope of the contract.
CREATE TABLE dead_letters (
  dead_letter_id TEXT PRIMARY KEY,
  event_id       TEXT,
  body           TEXT NOT NULL,
  reason         TEXT NOT NULL,
  created_at     INTEGER NOT NULL
);
CREATE INDEX dead_letters_by_age ON dead_letters (created_at, dead_letter_id);

-- Which reservations a user has anywhere: a projection of the sale events, rebuilt from the ledgers where lost.
-- `sequence` is that of the last envelope seen; an older one changes nothing. `body` is the contract's object.
CREATE TABLE reservations (
  reservation_id TEXT PRIMARY KEY,
  event_id       TEXT NOT NULL,
  user_id        TEXT NOT NULL,
  status         TEXT NOT NULL,
  order_id       TEXT,
  sequence       INTEGER NOT NULL,
  body           TEXT NOT NULL,
  created_at     INTEGER NOT NULL,
  updated_at     INTEGER NOT NULL
);
CREATE INDEX reservations_by_user ON reservations (user_id, created_at DESC, reservation_id);
CREATE INDEX reservations_by_user_and_event ON reservations (user_id, event_id);
