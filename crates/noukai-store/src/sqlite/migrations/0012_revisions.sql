-- How often what must pass before a version is published was set, and how often a version was marked; from 1.
ALTER TABLE test_gates ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
ALTER TABLE versions ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
