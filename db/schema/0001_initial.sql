-- The index. Text is UTF-8 as the objects say it, '' where they say nothing: the original values of an
-- object stand in header. Typed columns are those of dicom/attributes.def; everything else that can be
-- asked for stands in attribute. Levels: 0 patient, 1 study, 2 series, 3 image.

-- One animal. Where the ISA-Tab names the animal, its values stand here (reconciled).
CREATE TABLE patient (
  id INTEGER PRIMARY KEY,
  identity TEXT NOT NULL UNIQUE,        -- Patient ID and issuer; or the Study when there is no Patient ID
  patient_id TEXT NOT NULL DEFAULT '',
  issuer_of_patient_id TEXT NOT NULL DEFAULT '',
  patient_name TEXT NOT NULL DEFAULT '',
  patient_name_fold TEXT NOT NULL DEFAULT '',
  patient_birth_date TEXT NOT NULL DEFAULT '',
  patient_sex TEXT NOT NULL DEFAULT '',
  isa INTEGER NOT NULL DEFAULT 0,       -- 1: an animal of an ISA-Tab
  study_count INTEGER NOT NULL DEFAULT 0,
  series_count INTEGER NOT NULL DEFAULT 0,
  instance_count INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX patient_by_patient_id ON patient(patient_id);
CREATE INDEX patient_by_name ON patient(patient_name_fold);

CREATE TABLE study (
  id INTEGER PRIMARY KEY,
  patient INTEGER NOT NULL REFERENCES patient(id),
  study_uid TEXT NOT NULL,
  study_date TEXT NOT NULL DEFAULT '',
  study_time TEXT NOT NULL DEFAULT '',
  accession_number TEXT NOT NULL DEFAULT '',
  study_id TEXT NOT NULL DEFAULT '',
  study_description TEXT NOT NULL DEFAULT '',
  referring_physician_name TEXT NOT NULL DEFAULT '',
  referring_physician_name_fold TEXT NOT NULL DEFAULT '',
  modalities TEXT NOT NULL DEFAULT '',  -- sorted, separated by backslash
  sop_classes TEXT NOT NULL DEFAULT '', -- likewise
  series_count INTEGER NOT NULL DEFAULT 0,
  instance_count INTEGER NOT NULL DEFAULT 0,
  UNIQUE (study_uid, patient)                 -- one Study UID may be claimed by two patients: both are kept
) STRICT;
CREATE INDEX study_by_patient ON study(patient);
CREATE INDEX study_by_date ON study(study_date);
CREATE INDEX study_by_accession ON study(accession_number);

-- Which study an object joins, by what its own header says: so that a scan under another Patient ID
-- finds the animal's study again.
CREATE TABLE study_claim (
  study_uid TEXT NOT NULL,
  patient_id TEXT NOT NULL,
  issuer TEXT NOT NULL,
  study INTEGER NOT NULL REFERENCES study(id),
  PRIMARY KEY (study_uid, patient_id, issuer)
) STRICT, WITHOUT ROWID;
CREATE INDEX study_claim_by_study ON study_claim(study);

CREATE TABLE series (
  id INTEGER PRIMARY KEY,
  study INTEGER NOT NULL REFERENCES study(id),
  series_uid TEXT NOT NULL,
  modality TEXT NOT NULL DEFAULT '',
  series_number TEXT NOT NULL DEFAULT '',
  series_description TEXT NOT NULL DEFAULT '',
  series_date TEXT NOT NULL DEFAULT '',
  series_time TEXT NOT NULL DEFAULT '',
  body_part_examined TEXT NOT NULL DEFAULT '',
  frame_of_reference_uid TEXT NOT NULL DEFAULT '',
  instance_count INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0,      -- of their files
  isa_scan INTEGER REFERENCES isa_scan(id),
  link INTEGER NOT NULL DEFAULT 0,       -- who says so: 0 nobody, 1 a rule, 2 the tables, 3 somebody by hand
  segmentation INTEGER NOT NULL DEFAULT 0, -- of that scan, not its image
  -- What its own header says of the patient.
  said_patient_id TEXT NOT NULL DEFAULT '',
  said_issuer TEXT NOT NULL DEFAULT '',
  said_name TEXT NOT NULL DEFAULT '',
  said_birth_date TEXT NOT NULL DEFAULT '',
  said_sex TEXT NOT NULL DEFAULT '',
  UNIQUE (series_uid, study)
) STRICT;
-- From studies to scans and back, without reading the series.
CREATE INDEX series_by_study ON series(study, isa_scan);
CREATE INDEX series_by_scan ON series(isa_scan, study) WHERE isa_scan IS NOT NULL;
CREATE INDEX series_by_modality ON series(modality, study);

-- What the header says where a value of the ISA-Tab stands in a typed column of patient, study or series.
CREATE TABLE overwritten (
  level INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  tag INTEGER NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (owner, level, tag)
) STRICT, WITHOUT ROWID;

-- SOP Class and transfer syntax UIDs, each once.
CREATE TABLE uid (
  id INTEGER PRIMARY KEY,
  uid TEXT NOT NULL UNIQUE
) STRICT;

-- How objects came: each way once.
CREATE TABLE origin (
  id INTEGER PRIMARY KEY,
  how TEXT NOT NULL,                     -- "C-STORE", "import", "conversion"
  calling_ae TEXT NOT NULL,
  peer TEXT NOT NULL,                    -- address
  UNIQUE (how, calling_ae, peer)
) STRICT;

CREATE TABLE instance (
  id INTEGER PRIMARY KEY,                -- never given again: manifest.next
  series INTEGER NOT NULL REFERENCES series(id),
  sop_uid TEXT NOT NULL UNIQUE,
  sop_class INTEGER NOT NULL REFERENCES uid(id),
  transfer_syntax INTEGER NOT NULL REFERENCES uid(id),
  instance_number TEXT NOT NULL DEFAULT '',
  rows TEXT NOT NULL DEFAULT '',
  columns TEXT NOT NULL DEFAULT '',
  number_of_frames TEXT NOT NULL DEFAULT '',
  bits_allocated TEXT NOT NULL DEFAULT '',
  data_offset INTEGER NOT NULL,          -- where the Data Set begins in the file
  data_length INTEGER NOT NULL,          -- its bytes
  digest BLOB NOT NULL,                  -- XXH3-128 of the Data Set's bytes
  sha256 BLOB,                           -- of the whole file; verify adds it
  received_us INTEGER NOT NULL,          -- microseconds since 1970 UTC
  origin INTEGER NOT NULL REFERENCES origin(id),
  path TEXT NOT NULL DEFAULT '',         -- file it was imported from
  version INTEGER NOT NULL DEFAULT 0,    -- of its file: raised when the object was replaced
  committed INTEGER NOT NULL DEFAULT 0   -- 1: we told a peer that it is kept (PS3.4 Annex J)
) STRICT;
CREATE INDEX instance_by_series ON instance(series);
CREATE INDEX instance_by_encoding ON instance(sop_class, transfer_syntax);

-- All attributes but bulk data as DICOM JSON (PS3.18 F.2). form: 0 plain, 1 Zstandard; complete = 0: large
-- sequences are left out here and the whole stands in the sidecar beside the object.
CREATE TABLE header (
  instance INTEGER PRIMARY KEY REFERENCES instance(id) ON DELETE CASCADE,
  form INTEGER NOT NULL,
  complete INTEGER NOT NULL,
  json BLOB NOT NULL
) STRICT;

CREATE TABLE attribute_path (
  id INTEGER PRIMARY KEY,
  path TEXT NOT NULL UNIQUE              -- "00100212", "00102202.00080100"
) STRICT;

-- Every other attribute that can be asked for, of patients, studies and series. source: 0 header, 1 ISA.
-- Where both speak, the one that does not count has hidden = 1.
CREATE TABLE attribute (
  level INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  path INTEGER NOT NULL REFERENCES attribute_path(id),
  source INTEGER NOT NULL,
  item INTEGER NOT NULL,                 -- item of the outermost sequence; 0 outside of sequences
  position INTEGER NOT NULL,             -- of several values
  hidden INTEGER NOT NULL DEFAULT 0,
  text TEXT NOT NULL,                    -- exact; for a sequence as a whole its DICOM JSON items
  folded TEXT,                           -- PN: without case and diacritics
  number REAL,                           -- numeric VRs
  -- owner first: level alone, which nearly all rows share, must not look like a way to find some
  PRIMARY KEY (owner, level, path, source, item, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX attribute_by_text ON attribute(path, level, text, owner, item) WHERE hidden = 0;
CREATE INDEX attribute_by_fold ON attribute(path, level, folded, owner) WHERE hidden = 0 AND folded IS NOT NULL;
CREATE INDEX attribute_by_group ON attribute(path, level, owner) -- names of several groups
  WHERE hidden = 0 AND folded IS NOT NULL AND instr(text, '=') > 0;
CREATE INDEX attribute_by_number ON attribute(path, level, number, owner) WHERE hidden = 0 AND number IS NOT NULL;

-- The ISA-Tab: each archive, and each of its scans with what it says in DICOM's terms. A scan that is gone
-- from the tables stays as long as a series is linked to it, in case that it comes back.
CREATE TABLE isa_dataset (
  id INTEGER PRIMARY KEY,
  identifier TEXT NOT NULL UNIQUE,
  version INTEGER NOT NULL,
  folder TEXT NOT NULL,                  -- the tables as delivered, below isa/
  digest TEXT NOT NULL,
  applied_us INTEGER NOT NULL
) STRICT;

CREATE TABLE isa_version (
  dataset INTEGER NOT NULL REFERENCES isa_dataset(id),
  version INTEGER NOT NULL,
  folder TEXT NOT NULL,
  digest TEXT NOT NULL,
  applied_us INTEGER NOT NULL,
  PRIMARY KEY (dataset, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE isa_scan (
  id INTEGER PRIMARY KEY,
  dataset INTEGER NOT NULL REFERENCES isa_dataset(id),
  study TEXT NOT NULL,
  source TEXT NOT NULL,
  sample TEXT NOT NULL,
  assay_file TEXT NOT NULL,
  assay TEXT NOT NULL,
  digest TEXT NOT NULL,                  -- of its values: unchanged ones need no work; '' when it is gone
  ordinal INTEGER NOT NULL,              -- its place in the tables: of several, the first one counts
  UNIQUE (dataset, study, assay_file, assay)
) STRICT;
CREATE INDEX isa_scan_by_source ON isa_scan(dataset, study, source);

-- What becomes of a scan's cells as attributes of the standard.
CREATE TABLE isa_value (
  scan INTEGER NOT NULL REFERENCES isa_scan(id) ON DELETE CASCADE,
  ordinal INTEGER NOT NULL,
  level INTEGER NOT NULL,
  path TEXT NOT NULL,
  vr TEXT NOT NULL,
  item INTEGER NOT NULL,
  position INTEGER NOT NULL,
  text TEXT NOT NULL,
  number REAL,
  PRIMARY KEY (scan, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX isa_value_text ON isa_value(path, scan) WHERE path IN ('001021B0', '00104000');

-- What the rules of the mapping compare headers with, so that late scans find their row.
CREATE TABLE isa_key (
  rule TEXT NOT NULL,
  text TEXT NOT NULL,
  scan INTEGER NOT NULL REFERENCES isa_scan(id) ON DELETE CASCADE,
  PRIMARY KEY (rule, text, scan)
) STRICT, WITHOUT ROWID;
CREATE INDEX isa_key_by_scan ON isa_key(scan);

-- Columns of the tables: each kind and heading once, while a cell has it. element: 0, or a plain element
-- of our private block, which has neither but a VR: one for each VR, while a new mapping comes into force.
CREATE TABLE isa_column (
  id INTEGER PRIMARY KEY,
  element INTEGER NOT NULL,
  vr TEXT NOT NULL,
  kind TEXT NOT NULL,                    -- "factor"
  name TEXT NOT NULL,
  name_fold TEXT NOT NULL,               -- without case and diacritics
  heading_fold TEXT NOT NULL,            -- likewise, of "kind:name"
  UNIQUE (element, kind, name, vr)
) STRICT;
CREATE INDEX isa_column_by_name ON isa_column(name_fold) WHERE element = 0;
CREATE INDEX isa_column_by_heading ON isa_column(heading_fold) WHERE element = 0;

-- What stands in them: each text once, however many scans say so. A pattern is looked for here, not
-- among the scans.
CREATE TABLE isa_cell (
  id INTEGER PRIMARY KEY,
  column INTEGER NOT NULL REFERENCES isa_column(id),
  text TEXT NOT NULL,
  unit TEXT NOT NULL,
  number REAL,
  odd INTEGER NOT NULL,                  -- 1: heading or text have a "=" themselves
  UNIQUE (column, text, unit)
) STRICT;
CREATE INDEX isa_cell_by_number ON isa_cell(column, number) WHERE number IS NOT NULL;
CREATE INDEX isa_cell_odd ON isa_cell(odd, column) WHERE odd = 1;

-- Texts of cells by their trigrams: patterns that begin with a wild card.
CREATE VIRTUAL TABLE isa_cell_trigram USING fts5(text, content = 'isa_cell', content_rowid = 'id',
  columnsize = 0, detail = none, tokenize = 'trigram case_sensitive 1');
CREATE TRIGGER isa_cell_added AFTER INSERT ON isa_cell BEGIN
  INSERT INTO isa_cell_trigram(rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER isa_cell_removed AFTER DELETE ON isa_cell BEGIN
  INSERT INTO isa_cell_trigram(isa_cell_trigram, rowid, text) VALUES ('delete', old.id, old.text);
END;

CREATE TABLE isa_scan_cell (
  scan INTEGER NOT NULL REFERENCES isa_scan(id) ON DELETE CASCADE,
  ordinal INTEGER NOT NULL,              -- mur_cell_ordinal(): those of plain elements apart
  cell INTEGER NOT NULL,
  PRIMARY KEY (scan, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX isa_scan_cell_by_cell ON isa_scan_cell(cell, scan);

-- What a scan says once more, to be answered: its cells of columns (element 0) in one piece.
CREATE TABLE isa_said (
  scan INTEGER PRIMARY KEY REFERENCES isa_scan(id) ON DELETE CASCADE,
  cells BLOB NOT NULL                    -- db/said.h
) STRICT;

-- How much of the manifest belongs to what is committed here, what number the next instance gets, and where
-- the last line ends that a power cut cannot take.
CREATE TABLE manifest (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  length INTEGER NOT NULL,
  next INTEGER NOT NULL,
  lasting INTEGER NOT NULL
) STRICT;
INSERT INTO manifest VALUES (1, 0, 1, 0);

-- What a process committed last, before it was on disk: instances first to last. They are looked at when the
-- process is gone without an end.
CREATE TABLE settling (
  token TEXT PRIMARY KEY,                -- of the process, as in objects/.incoming-TOKEN
  first INTEGER NOT NULL,
  last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Answers to requests for storage commitment that a peer has not got yet (PS3.4 Annex J). The result is made
-- when it is sent.
CREATE TABLE commitment (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  transaction_uid TEXT NOT NULL,
  peer TEXT NOT NULL,                    -- AE title, a row of the list "peers"
  refs TEXT NOT NULL,                    -- JSON: [[SOP Class UID, SOP Instance UID], ...]
  requested_us INTEGER NOT NULL,         -- microseconds since 1970 UTC
  next_try_us INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  UNIQUE (peer, transaction_uid)
) STRICT;
CREATE INDEX commitment_by_time ON commitment(next_try_us);
