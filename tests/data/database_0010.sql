BEGIN TRANSACTION;
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
INSERT INTO "alembic_version" VALUES('0010');
CREATE TABLE alert_notices (
	"key" VARCHAR(128) NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	at BIGINT NOT NULL, 
	data TEXT NOT NULL, 
	CONSTRAINT pk_alert_notices PRIMARY KEY ("key")
);
INSERT INTO "alert_notices" VALUES('budget:1:2:80','budget',1772442000123457,'{"error":""}');
CREATE TABLE alert_posts (
	"key" VARCHAR(128) NOT NULL, 
	surface VARCHAR(32) NOT NULL, 
	wanted INTEGER NOT NULL, 
	shown INTEGER NOT NULL, 
	wanted_at BIGINT NOT NULL, 
	channel TEXT, 
	message_id TEXT, 
	claimed_at BIGINT, 
	shown_at BIGINT, 
	retry_at BIGINT, 
	failures INTEGER NOT NULL, 
	CONSTRAINT pk_alert_posts PRIMARY KEY ("key", surface)
);
INSERT INTO "alert_posts" VALUES('budget:1:2:80','slack',1,0,1772442000123457,NULL,NULL,NULL,NULL,NULL,0);
CREATE TABLE alert_troubles (
	surface VARCHAR(32) NOT NULL, 
	since BIGINT NOT NULL, 
	message TEXT NOT NULL, 
	hint TEXT NOT NULL, 
	CONSTRAINT pk_alert_troubles PRIMARY KEY (surface)
);
INSERT INTO "alert_troubles" VALUES('slack',1772442000123457,'The channel is archived.','Pick another.');
CREATE TABLE attempts (
	id INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	request_id TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	model TEXT NOT NULL, 
	provider TEXT NOT NULL, 
	asked TEXT NOT NULL, 
	served TEXT, 
	dialect TEXT NOT NULL, 
	caller TEXT, 
	source TEXT NOT NULL, 
	agent TEXT, 
	session TEXT, 
	stream BOOLEAN NOT NULL, 
	status INTEGER NOT NULL, 
	reason VARCHAR(32), 
	answered BOOLEAN NOT NULL, 
	last BOOLEAN NOT NULL, 
	fallback BOOLEAN NOT NULL, 
	input_tokens BIGINT NOT NULL, 
	cached_input_tokens BIGINT NOT NULL, 
	cache_write_tokens BIGINT NOT NULL, 
	cache_write_1h_tokens BIGINT NOT NULL, 
	output_tokens BIGINT NOT NULL, 
	reasoning_tokens BIGINT NOT NULL, 
	reported_cost_usd TEXT, 
	cost_nano_usd BIGINT, 
	estimated BOOLEAN NOT NULL, 
	price TEXT, 
	latency_ms FLOAT, 
	first_token_ms FLOAT, 
	extras TEXT, 
	CONSTRAINT pk_attempts PRIMARY KEY (id)
);
INSERT INTO "attempts" VALUES(1,1772442000123457,'req-1',1,'anthropic/claude-opus-4-5','anthropic','',NULL,'openai','Ana “ü”','gateway',NULL,NULL,1,200,NULL,1,1,0,100,0,0,0,10,0,NULL,10000000000000,0,NULL,1.5,NULL,NULL);
CREATE TABLE bill_reads (
	provider VARCHAR(64) NOT NULL, 
	at BIGINT NOT NULL, 
	trouble TEXT NOT NULL, 
	hint TEXT NOT NULL, 
	CONSTRAINT pk_bill_reads PRIMARY KEY (provider)
);
INSERT INTO "bill_reads" VALUES('openai',1772442000123457,'no access','Set the key.');
CREATE TABLE bills (
	provider VARCHAR(64) NOT NULL, 
	day DATE NOT NULL, 
	amount_usd_nano BIGINT NOT NULL, 
	fetched_at BIGINT NOT NULL, 
	CONSTRAINT pk_bills PRIMARY KEY (provider, day)
);
INSERT INTO "bills" VALUES('openai','2026-03-01',1234567890123,1772442000123457);
CREATE TABLE budgets (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	amount_nano_usd BIGINT NOT NULL, 
	period VARCHAR(16) NOT NULL, 
	"then" TEXT, 
	set_by TEXT NOT NULL, 
	set_at BIGINT NOT NULL, 
	in_force BOOLEAN NOT NULL
);
INSERT INTO "budgets" VALUES(1,5000000000,'week','cheap','Ana',1772442000123457,1);
CREATE TABLE buttons (
	id VARCHAR(40) NOT NULL, 
	made_at BIGINT NOT NULL, 
	action TEXT NOT NULL, 
	claimed_by TEXT, 
	claimed_at BIGINT, 
	CONSTRAINT pk_buttons PRIMARY KEY (id)
);
CREATE TABLE chain_tests (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at BIGINT NOT NULL, 
	chain_ok BOOLEAN NOT NULL, 
	answered INTEGER NOT NULL, 
	hops INTEGER NOT NULL, 
	would_serve TEXT, 
	actor_name TEXT NOT NULL
);
INSERT INTO "chain_tests" VALUES(1,1772442000123457,0,2,3,NULL,'Ana');
CREATE TABLE changes (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	document TEXT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	at BIGINT NOT NULL, 
	actor_key TEXT NOT NULL, 
	actor_name TEXT NOT NULL, 
	surface VARCHAR(32) NOT NULL, 
	action TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	old TEXT NOT NULL, 
	new TEXT NOT NULL, 
	touched TEXT NOT NULL, 
	revision_before VARCHAR(64) NOT NULL, 
	revision VARCHAR(64) NOT NULL, 
	diff TEXT NOT NULL, 
	"view" TEXT NOT NULL, 
	reverts BIGINT
);
INSERT INTO "changes" VALUES(1,'/srv/moltbot.json','done',1772442000123457,'slack:U1','Ana “ü” �','slack','cheap','release   week','null','["a/one","b/two"]','[{"path":["agents","defaults"],"before":null},{"path":["x"],"after":{"b":1,"a":[]}}]','r0','r1','-a
+b
','null',7);
INSERT INTO "changes" VALUES(2,'/srv/moltbot.json','pending',1772442000123457,'slack:U1','Ana “ü” �','slack','cheap','release   week','null','["a/one","b/two"]','[{"path":["agents","defaults"],"before":null},{"path":["x"],"after":{"b":1,"a":[]}}]','r0','r2','-a
+b
','{"primary":"b/two","n":null}',7);
CREATE TABLE config_revisions (
	number INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	revision VARCHAR(64) NOT NULL, 
	raw BLOB NOT NULL, 
	CONSTRAINT pk_config_revisions PRIMARY KEY (number)
);
INSERT INTO "config_revisions" VALUES(1,1796085308372319,'34d35a6b44c14f7455b37fc77f0fc4eaeb4e95f9c830a84575dfd96f31f925bb',X'7B226167656E7473223A207B7D7D202F2F20FF00');
CREATE TABLE cooldowns (
	scope TEXT NOT NULL, 
	reason VARCHAR(32) NOT NULL, 
	until BIGINT NOT NULL, 
	failures INTEGER NOT NULL, 
	since BIGINT, 
	named BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_cooldowns PRIMARY KEY (scope)
);
INSERT INTO "cooldowns" VALUES('groq#1','billing',1772449200123457,3,1772442000123457,1);
CREATE TABLE digests (
	kind VARCHAR(32) NOT NULL, 
	channel TEXT NOT NULL, 
	period VARCHAR(64) NOT NULL, 
	claimed_at BIGINT NOT NULL, 
	surface TEXT, 
	message_channel TEXT, 
	message_id TEXT, 
	CONSTRAINT pk_digests PRIMARY KEY (kind, channel, period)
);
CREATE TABLE document_state (
	document TEXT NOT NULL, 
	revision VARCHAR(64) NOT NULL, 
	"view" TEXT NOT NULL, 
	change_id BIGINT NOT NULL, 
	CONSTRAINT pk_document_state PRIMARY KEY (document)
);
INSERT INTO "document_state" VALUES('/srv/moltbot.json','r1','{"primary":"b/two","n":null}',1);
CREATE TABLE fallback_events (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at BIGINT NOT NULL, 
	request_id TEXT NOT NULL, 
	from_model TEXT NOT NULL, 
	to_model TEXT, 
	reason VARCHAR(32) NOT NULL, 
	source VARCHAR(32) NOT NULL, 
	detail TEXT, 
	asked BOOLEAN, 
	context TEXT, 
	"key" VARCHAR(32), 
	taken_at BIGINT
);
INSERT INTO "fallback_events" VALUES(1,1772442000123457,'req-1','a/one',NULL,'timeout','gateway','HTTP 504',0,'{"cut":true,"hops":[["b/two","auth",true,"401"]]}','fbbca1cb83f76286650256c45778e9c6',NULL);
CREATE TABLE incidents (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	state VARCHAR(32) NOT NULL, 
	primary_model TEXT NOT NULL, 
	reason VARCHAR(32) NOT NULL, 
	opened_at BIGINT NOT NULL, 
	resolved_at BIGINT, 
	requests BIGINT NOT NULL, 
	served_by TEXT, 
	details TEXT NOT NULL, 
	revision INTEGER DEFAULT 0 NOT NULL, 
	acknowledged_by TEXT, 
	acknowledged_key TEXT, 
	acknowledged_at BIGINT, 
	up_since BIGINT, 
	gaps TEXT
);
INSERT INTO "incidents" VALUES(1,'open','a/one','timeout',1772442000123457,NULL,5000000000,'b/two','{"b":[1,null,"\u00fc\u2028"],"a":{}}',1,'Ana “ü” �','slack:U1',1772449200123457,1772449200123457,'[[1772442000123457,3000001]]');
CREATE TABLE leases (
	name VARCHAR(64) NOT NULL, 
	holder VARCHAR(64) NOT NULL, 
	until BIGINT NOT NULL, 
	CONSTRAINT pk_leases PRIMARY KEY (name)
);
CREATE TABLE memory (
	"key" TEXT NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_memory PRIMARY KEY ("key")
);
CREATE TABLE meter_readings (
	provider VARCHAR(64) NOT NULL, 
	at BIGINT NOT NULL, 
	amount_nano BIGINT NOT NULL, 
	currency VARCHAR(16) NOT NULL, 
	rises BOOLEAN NOT NULL, 
	account TEXT NOT NULL, 
	CONSTRAINT pk_meter_readings PRIMARY KEY (provider, at)
);
INSERT INTO "meter_readings" VALUES('openrouter',1772442000123457,-3,'EUR',1,'acct');
CREATE TABLE mutes (
	scope VARCHAR(64) NOT NULL, 
	until BIGINT NOT NULL, 
	CONSTRAINT pk_mutes PRIMARY KEY (scope)
);
INSERT INTO "mutes" VALUES('all',1772449200123457);
CREATE TABLE refusals (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at BIGINT NOT NULL, 
	actor_key TEXT NOT NULL, 
	actor_name TEXT NOT NULL, 
	surface VARCHAR(32) NOT NULL, 
	command TEXT NOT NULL, 
	why TEXT NOT NULL
);
CREATE TABLE reprices (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at BIGINT NOT NULL, 
	why TEXT NOT NULL, 
	request_id TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	cost_nano_usd BIGINT, 
	price TEXT
);
CREATE TABLE reverts (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	document TEXT NOT NULL, 
	change_id BIGINT NOT NULL, 
	due_at BIGINT NOT NULL, 
	state VARCHAR(16) NOT NULL
);
INSERT INTO "reverts" VALUES(1,'/srv/moltbot.json',1,1772449200123457,'pending');
CREATE TABLE services (
	name VARCHAR(64) NOT NULL, 
	alive_at BIGINT NOT NULL, 
	CONSTRAINT pk_services PRIMARY KEY (name)
);
INSERT INTO "services" VALUES('bot',1772442000123457);
CREATE TABLE spend_hourly (
	hour BIGINT NOT NULL, 
	model TEXT NOT NULL, 
	provider TEXT NOT NULL, 
	caller TEXT NOT NULL, 
	source TEXT NOT NULL, 
	agent TEXT NOT NULL, 
	cost_nano_usd BIGINT NOT NULL, 
	requests BIGINT NOT NULL, 
	fallback_requests BIGINT NOT NULL, 
	attempts BIGINT NOT NULL, 
	failed BIGINT NOT NULL, 
	unpriced BIGINT NOT NULL, 
	input_tokens BIGINT NOT NULL, 
	cached_input_tokens BIGINT NOT NULL, 
	cache_write_tokens BIGINT NOT NULL, 
	output_tokens BIGINT NOT NULL, 
	reasoning_tokens BIGINT NOT NULL, 
	fallback_cost_nano_usd BIGINT NOT NULL, 
	estimated_cost_nano_usd BIGINT NOT NULL, 
	CONSTRAINT pk_spend_hourly PRIMARY KEY (hour, model, provider, caller, source, agent)
)
 WITHOUT ROWID

;
INSERT INTO "spend_hourly" VALUES(1772442000000000,'anthropic/claude-opus-4-5','anthropic','Ana “ü”','gateway','',10000000000000,1,0,1,0,0,100,0,0,10,0,0,0);
CREATE TABLE spend_quarterly (
	quarter BIGINT NOT NULL, 
	model TEXT NOT NULL, 
	provider TEXT NOT NULL, 
	caller TEXT NOT NULL, 
	source TEXT NOT NULL, 
	agent TEXT NOT NULL, 
	cost_nano_usd BIGINT NOT NULL, 
	requests BIGINT NOT NULL, 
	fallback_requests BIGINT NOT NULL, 
	attempts BIGINT NOT NULL, 
	failed BIGINT NOT NULL, 
	unpriced BIGINT NOT NULL, 
	input_tokens BIGINT NOT NULL, 
	cached_input_tokens BIGINT NOT NULL, 
	cache_write_tokens BIGINT NOT NULL, 
	output_tokens BIGINT NOT NULL, 
	reasoning_tokens BIGINT NOT NULL, 
	fallback_cost_nano_usd BIGINT NOT NULL, 
	estimated_cost_nano_usd BIGINT NOT NULL, 
	CONSTRAINT pk_spend_quarterly PRIMARY KEY (quarter, model, provider, caller, source, agent)
)
 WITHOUT ROWID

;
INSERT INTO "spend_quarterly" VALUES(1772442000000000,'anthropic/claude-opus-4-5','anthropic','Ana “ü”','gateway','',10000000000000,1,0,1,0,0,100,0,0,10,0,0,0);
CREATE TABLE triggers (
	id TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	CONSTRAINT pk_triggers PRIMARY KEY (id)
);
CREATE INDEX ix_alert_posts_behind ON alert_posts (surface) WHERE wanted > shown;
CREATE INDEX ix_changes_document_state_id ON changes (document, state, id);
CREATE INDEX ix_reverts_change_id ON reverts (change_id);
CREATE INDEX ix_reverts_document_state_due_at ON reverts (document, state, due_at);
CREATE INDEX ix_refusals_at ON refusals (at);
CREATE INDEX ix_fallback_events_waiting ON fallback_events (id) WHERE taken_at IS NULL;
CREATE UNIQUE INDEX ix_fallback_events_key ON fallback_events ("key");
CREATE INDEX ix_fallback_events_at ON fallback_events (at);
CREATE INDEX ix_fallback_events_from_model_at ON fallback_events (from_model, at);
CREATE INDEX ix_incidents_opened_at ON incidents (opened_at);
CREATE INDEX ix_incidents_resolved_at ON incidents (resolved_at);
CREATE INDEX ix_attempts_at ON attempts (at);
CREATE UNIQUE INDEX ix_attempts_request_id_number ON attempts (request_id, number);
CREATE INDEX ix_reprices_request_id_number ON reprices (request_id, number);
CREATE INDEX ix_buttons_made_at ON buttons (made_at);
CREATE INDEX ix_triggers_at ON triggers (at);
CREATE INDEX ix_chain_tests_at ON chain_tests (at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('changes',2);
INSERT INTO "sqlite_sequence" VALUES('reverts',1);
INSERT INTO "sqlite_sequence" VALUES('fallback_events',1);
INSERT INTO "sqlite_sequence" VALUES('budgets',1);
INSERT INTO "sqlite_sequence" VALUES('chain_tests',1);
INSERT INTO "sqlite_sequence" VALUES('incidents',1);
COMMIT;
