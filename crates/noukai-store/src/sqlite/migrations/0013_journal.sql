-- How far what is in the journal of runs is in the database; the id ties the journal's files to it.
CREATE TABLE run_journal (
    id BLOB PRIMARY KEY NOT NULL,
    applied INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO run_journal (id, applied) VALUES (randomblob(16), 0);
