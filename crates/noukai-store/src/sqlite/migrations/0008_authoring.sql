-- How flows come to be: a log of operations per flow, drafts with revisions, checkpoints, object models.
ALTER TABLE organisations ADD COLUMN name TEXT NOT NULL DEFAULT '';

-- models_revision: counts the changes of the project's object models.
ALTER TABLE projects ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE projects ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE projects ADD COLUMN flows_as_tools INTEGER NOT NULL DEFAULT 0;
ALTER TABLE projects ADD COLUMN models_revision INTEGER NOT NULL DEFAULT 0;

-- kept: a run or a version has it. What only a draft had goes when the draft changes.
ALTER TABLE documents ADD COLUMN kept INTEGER NOT NULL DEFAULT 1;

-- draft_hash: of what runs. source_hash: of what was written, which may name object models. last_seq: of the log.
ALTER TABLE flows ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE flows ADD COLUMN source_hash TEXT NOT NULL DEFAULT '';
ALTER TABLE flows ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
ALTER TABLE flows ADD COLUMN last_seq INTEGER NOT NULL DEFAULT 0;
UPDATE flows SET source_hash = draft_hash;

ALTER TABLE versions ADD COLUMN source_hash TEXT NOT NULL DEFAULT '';
ALTER TABLE versions ADD COLUMN author_name TEXT NOT NULL DEFAULT '';
ALTER TABLE versions ADD COLUMN deprecated_at INTEGER;
ALTER TABLE versions ADD COLUMN deprecation TEXT NOT NULL DEFAULT '';
UPDATE versions SET source_hash = hash, author_name = author;

ALTER TABLE production_log ADD COLUMN author_name TEXT NOT NULL DEFAULT '';
UPDATE production_log SET author_name = author;

-- seq: from 1 without gaps. revision: the draft's after it. operations, inverse: JSON arrays of operations.
-- touched: a JSON array of texts that say what is changed.
CREATE TABLE flow_operations (
    flow_id BLOB NOT NULL REFERENCES flows (id),
    seq INTEGER NOT NULL,
    project_id BLOB NOT NULL,
    revision INTEGER NOT NULL,
    op TEXT NOT NULL,
    operations TEXT NOT NULL,
    inverse TEXT,
    touched TEXT NOT NULL,
    summary TEXT NOT NULL,
    undoes INTEGER,
    undone_by INTEGER,
    author TEXT NOT NULL,
    author_name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (flow_id, seq)
) STRICT, WITHOUT ROWID;

-- How often the prompt or source of a step has changed.
CREATE TABLE content_versions (
    flow_id BLOB NOT NULL REFERENCES flows (id),
    step_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (flow_id, step_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoints (
    id BLOB PRIMARY KEY NOT NULL,
    project_id BLOB NOT NULL,
    flow_id BLOB NOT NULL REFERENCES flows (id),
    step_id TEXT NOT NULL,
    note TEXT NOT NULL,
    revision INTEGER NOT NULL,
    content TEXT NOT NULL,
    author TEXT NOT NULL,
    author_name TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX checkpoints_by_flow ON checkpoints (flow_id, id);

CREATE TABLE object_models (
    id BLOB PRIMARY KEY NOT NULL,
    project_id BLOB NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    schema TEXT NOT NULL,
    revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    author TEXT NOT NULL,
    author_name TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (project_id, name)
) STRICT, WITHOUT ROWID;

-- Which drafts name which object model, whether there is one of that name or not.
CREATE TABLE flow_models (
    project_id BLOB NOT NULL,
    name TEXT NOT NULL,
    flow_id BLOB NOT NULL REFERENCES flows (id),
    PRIMARY KEY (project_id, name, flow_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX flow_models_by_flow ON flow_models (flow_id);
