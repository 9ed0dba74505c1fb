-- Counts every change. Whoever writes takes its row first, so changes become visible in its order.
CREATE TABLE clock (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL
);
INSERT INTO clock (id, seq) VALUES (1, 0);

CREATE TABLE collections (
    name TEXT PRIMARY KEY NOT NULL,
    description TEXT NOT NULL,
    created_ms INTEGER NOT NULL
);

CREATE TABLE entries (
    id TEXT PRIMARY KEY NOT NULL,
    collection TEXT NOT NULL REFERENCES collections (name),
    name TEXT NOT NULL,
    digest BLOB NOT NULL,
    coarse_digest BLOB NOT NULL,
    operators INTEGER NOT NULL,
    edges INTEGER NOT NULL,
    parameters INTEGER NOT NULL,
    flops INTEGER NOT NULL,
    family TEXT,
    coarse_family TEXT,
    task TEXT,
    source TEXT,
    metadata TEXT NOT NULL,
    graph BLOB NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    UNIQUE (collection, digest)
);

-- The last change of every entry that there is or was.
CREATE TABLE changes (
    seq INTEGER PRIMARY KEY NOT NULL,
    entry TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL
);

CREATE TABLE embeddings (
    entry TEXT NOT NULL REFERENCES entries (id) ON DELETE CASCADE,
    model TEXT NOT NULL,
    vector BLOB NOT NULL,
    PRIMARY KEY (entry, model)
);

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    hash BLOB NOT NULL,
    scope TEXT NOT NULL,
    collection TEXT,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    revoked_ms INTEGER
);

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY NOT NULL,
    at_ms INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL
);
