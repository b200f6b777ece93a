-- How flows come to be: a log of operations per flow, drafts with revisions, checkpoints, object models.
ALTER TABLE organisations ADD COLUMN name TEXT NOT NULL DEFAULT '';

-- models_revision: counts the changes of the project's object models.
ALTER TABLE projects ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE projects ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE projects ADD COLUMN flows_as_tools BIGINT NOT NULL DEFAULT 0;
ALTER TABLE projects ADD COLUMN models_revision BIGINT NOT NULL DEFAULT 0;

-- kept: a run or a version has it. What only a draft had goes when the draft changes.
ALTER TABLE documents ADD COLUMN kept BIGINT NOT NULL DEFAULT 1;

-- draft_hash: of what runs. source_hash: of what was written, which may name object models. last_seq: of the log.
ALTER TABLE flows ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE flows ADD COLUMN source_hash TEXT NOT NULL DEFAULT '';
ALTER TABLE flows ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;
ALTER TABLE flows ADD COLUMN last_seq BIGINT NOT NULL DEFAULT 0;
UPDATE flows SET source_hash = draft_hash;

ALTER TABLE versions ADD COLUMN source_hash TEXT NOT NULL DEFAULT '';
ALTER TABLE versions ADD COLUMN author_name TEXT NOT NULL DEFAULT '';
ALTER TABLE versions ADD COLUMN deprecated_at BIGINT;
ALTER TABLE versions ADD COLUMN deprecation TEXT NOT NULL DEFAULT '';
UPDATE versions SET source_hash = hash, author_name = author;

ALTER TABLE production_log ADD COLUMN author_name TEXT NOT NULL DEFAULT '';
UPDATE production_log SET author_name = author;

-- seq: from 1 without gaps. revision: the draft's after it. operations, inverse: JSON arrays of operations.
-- touched: a JSON array of texts that say what is changed.
CREATE TABLE flow_operations (
    flow_id UUID NOT NULL REFERENCES flows (id),
    seq BIGINT NOT NULL,
    project_id UUID NOT NULL,
    revision BIGINT NOT NULL,
    op TEXT NOT NULL,
    operations TEXT NOT NULL,
    inverse TEXT,
    touched TEXT NOT NULL,
    summary TEXT NOT NULL,
    undoes BIGINT,
    undone_by BIGINT,
    author TEXT NOT NULL,
    author_name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (flow_id, seq)
);

-- How often the prompt or source of a step has changed.
CREATE TABLE content_versions (
    flow_id UUID NOT NULL REFERENCES flows (id),
    step_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (flow_id, step_id)
);

CREATE TABLE checkpoints (
    id UUID PRIMARY KEY,
    project_id UUID NOT NULL,
    flow_id UUID NOT NULL REFERENCES flows (id),
    step_id TEXT NOT NULL,
    note TEXT NOT NULL,
    revision BIGINT NOT NULL,
    content TEXT NOT NULL,
    author TEXT NOT NULL,
    author_name TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX checkpoints_by_flow ON checkpoints (flow_id, id);

CREATE TABLE object_models (
    id UUID PRIMARY KEY,
    project_id UUID NOT NULL REFERENCES projects (id),
    name TEXT COLLATE "C" NOT NULL,
    description TEXT NOT NULL,
    schema TEXT NOT NULL,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    author TEXT NOT NULL,
    author_name TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (project_id, name)
);

-- Which drafts name which object model, whether there is one of that name or not.
CREATE TABLE flow_models (
    project_id UUID NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    flow_id UUID NOT NULL REFERENCES flows (id),
    PRIMARY KEY (project_id, name, flow_id)
);
CREATE INDEX flow_models_by_flow ON flow_models (flow_id);
