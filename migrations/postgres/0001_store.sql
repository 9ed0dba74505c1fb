-- Counts every change. Whoever writes takes its row first, so changes become visible in its order.
CREATE TABLE clock (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    seq BIGINT NOT NULL
);
INSERT INTO clock (id, seq) VALUES (1, 0);

CREATE TABLE collections (
    name TEXT COLLATE "C" PRIMARY KEY,
    description TEXT NOT NULL,
    created_ms BIGINT NOT NULL
);

CREATE TABLE entries (
    id TEXT COLLATE "C" PRIMARY KEY,
    collection TEXT NOT NULL REFERENCES collections (name),
    name TEXT NOT NULL,
    digest BYTEA NOT NULL,
    coarse_digest BYTEA NOT NULL,
    operators BIGINT NOT NULL,
    edges BIGINT NOT NULL,
    parameters BIGINT NOT NULL,
    flops BIGINT NOT NULL,
    family TEXT,
    coarse_family TEXT,
    task TEXT,
    source TEXT,
    metadata TEXT NOT NULL,
    graph BYTEA NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    UNIQUE (collection, digest)
);

-- The last change of every entry that there is or was.
CREATE TABLE changes (
    seq BIGINT PRIMARY KEY,
    entry TEXT COLLATE "C" NOT NULL UNIQUE,
    kind TEXT NOT NULL
);

CREATE TABLE embeddings (
    entry TEXT COLLATE "C" NOT NULL REFERENCES entries (id) ON DELETE CASCADE,
    model TEXT NOT NULL,
    vector BYTEA NOT NULL,
    PRIMARY KEY (entry, model)
);

CREATE TABLE api_keys (
    id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT NOT NULL,
    hash BYTEA NOT NULL,
    scope TEXT NOT NULL,
    collection TEXT,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT,
    revoked_ms BIGINT
);

CREATE TABLE audit (
    seq BIGINT PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL
);
