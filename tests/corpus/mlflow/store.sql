-- A tracking store made by MLflow 3.17.2, without the tables that were empty; @HERE@ stands for its folder.
CREATE TABLE "datasets" (
	dataset_uuid VARCHAR(36) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	name VARCHAR(500) NOT NULL, 
	digest VARCHAR(36) NOT NULL, 
	dataset_source_type VARCHAR(36) NOT NULL, 
	dataset_source TEXT NOT NULL, 
	dataset_schema TEXT, 
	dataset_profile TEXT, 
	CONSTRAINT dataset_pk PRIMARY KEY (experiment_id, name, digest), 
	CONSTRAINT fk_datasets_experiment_id_experiments FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE
);
INSERT INTO datasets VALUES ('dc07d9152b614310b7786fb72b40af80', 1, 'digits-train', '67a5fea4', 'code', '{"tags": {"mlflow.user": "ana", "mlflow.source.name": "mk2.py", "mlflow.source.type": "LOCAL"}}', '{"mlflow_tensorspec": {"features": "[{\"type\": \"tensor\", \"tensor-spec\": {\"dtype\": \"float64\", \"shape\": [-1, 4]}}]", "targets": "[{\"type\": \"tensor\", \"tensor-spec\": {\"dtype\": \"int64\", \"shape\": [-1]}}]"}}', '{"features_shape": [50, 4], "features_size": 200, "features_nbytes": 1600, "targets_shape": [50], "targets_size": 50, "targets_nbytes": 400}');
INSERT INTO datasets VALUES ('a436f14dea164b468775ca085f0bebd2', 1, 'digits-test', '99aa2dc8', 'code', '{"tags": {"mlflow.user": "ana", "mlflow.source.name": "mk2.py", "mlflow.source.type": "LOCAL"}}', '{"mlflow_tensorspec": {"features": "[{\"type\": \"tensor\", \"tensor-spec\": {\"dtype\": \"float64\", \"shape\": [-1, 4]}}]", "targets": "[{\"type\": \"tensor\", \"tensor-spec\": {\"dtype\": \"int64\", \"shape\": [-1]}}]"}}', '{"features_shape": [10, 4], "features_size": 40, "features_nbytes": 320, "targets_shape": [10], "targets_size": 10, "targets_nbytes": 80}');
CREATE TABLE "experiments" (
	experiment_id INTEGER NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	artifact_location VARCHAR(256), 
	lifecycle_stage VARCHAR(32), 
	creation_time BIGINT, 
	last_update_time BIGINT, 
	workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
	CONSTRAINT experiment_pk PRIMARY KEY (experiment_id), 
	CONSTRAINT experiments_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')), 
	CONSTRAINT uq_experiments_workspace_name UNIQUE (workspace, name)
);
INSERT INTO experiments VALUES (1, 'digits', '@HERE@/artifacts', 'active', 1795253095513, 1795253095513, 'default');
CREATE TABLE input_tags (
	input_uuid VARCHAR(36) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	value VARCHAR(500) NOT NULL, 
	CONSTRAINT input_tags_pk PRIMARY KEY (input_uuid, name)
);
INSERT INTO input_tags VALUES ('2b58ca96678c4959ad579b32c2d7de35', 'mlflow.data.context', 'training');
INSERT INTO input_tags VALUES ('1403cd639e31436d82fda336322f10d3', 'mlflow.data.context', 'testing');
INSERT INTO input_tags VALUES ('c46f5a14ad784c3e8b0bc8cc06f39238', 'mlflow.data.context', 'training');
CREATE TABLE inputs (
	input_uuid VARCHAR(36) NOT NULL, 
	source_type VARCHAR(36) NOT NULL, 
	source_id VARCHAR(36) NOT NULL, 
	destination_type VARCHAR(36) NOT NULL, 
	destination_id VARCHAR(36) NOT NULL, step BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT inputs_pk PRIMARY KEY (source_type, source_id, destination_type, destination_id)
);
INSERT INTO inputs VALUES ('2b58ca96678c4959ad579b32c2d7de35', 'DATASET', 'dc07d9152b614310b7786fb72b40af80', 'RUN', '87606d301288485ba8efff5d6dede2ca', 0);
INSERT INTO inputs VALUES ('1403cd639e31436d82fda336322f10d3', 'DATASET', 'a436f14dea164b468775ca085f0bebd2', 'RUN', '87606d301288485ba8efff5d6dede2ca', 0);
INSERT INTO inputs VALUES ('abc406359fc44801bf44ec7d7fe8d66d', 'RUN_OUTPUT', '87606d301288485ba8efff5d6dede2ca', 'MODEL_OUTPUT', 'm-8498a70b17d44f77b4222bced5084071', 0);
INSERT INTO inputs VALUES ('a0c804e285184030bdd6c6e18b52464b', 'RUN_INPUT', '87606d301288485ba8efff5d6dede2ca', 'MODEL_INPUT', 'm-8498a70b17d44f77b4222bced5084071', 0);
INSERT INTO inputs VALUES ('c46f5a14ad784c3e8b0bc8cc06f39238', 'DATASET', 'dc07d9152b614310b7786fb72b40af80', 'RUN', 'e27b990075194fbabbd900c368b2015a', 0);
CREATE TABLE logged_model_metrics (
	model_id VARCHAR(36) NOT NULL, 
	metric_name VARCHAR(500) NOT NULL, 
	metric_timestamp_ms BIGINT NOT NULL, 
	metric_step BIGINT NOT NULL, 
	metric_value FLOAT, 
	experiment_id INTEGER NOT NULL, 
	run_id VARCHAR(32) NOT NULL, 
	dataset_uuid VARCHAR(36), 
	dataset_name VARCHAR(500), 
	dataset_digest VARCHAR(36), 
	CONSTRAINT logged_model_metrics_pk PRIMARY KEY (model_id, metric_name, metric_timestamp_ms, metric_step, run_id), 
	CONSTRAINT fk_logged_model_metrics_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
	CONSTRAINT fk_logged_model_metrics_model_id FOREIGN KEY(model_id) REFERENCES logged_models (model_id) ON DELETE CASCADE, 
	CONSTRAINT fk_logged_model_metrics_run_id FOREIGN KEY(run_id) REFERENCES runs (run_uuid) ON DELETE CASCADE
);
INSERT INTO logged_model_metrics VALUES ('m-8498a70b17d44f77b4222bced5084071', 'test_accuracy', 1795253096200, 0, 0.75, 1, '87606d301288485ba8efff5d6dede2ca', NULL, 'digits-test', '99aa2dc8');
CREATE TABLE logged_model_params (
	model_id VARCHAR(36) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	param_key VARCHAR(255) NOT NULL, 
	param_value TEXT NOT NULL, 
	CONSTRAINT logged_model_params_pk PRIMARY KEY (model_id, param_key), 
	CONSTRAINT fk_logged_model_params_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
	CONSTRAINT fk_logged_model_params_model_id FOREIGN KEY(model_id) REFERENCES logged_models (model_id) ON DELETE CASCADE
);
INSERT INTO logged_model_params VALUES ('m-8498a70b17d44f77b4222bced5084071', 1, 'depth', '3');
CREATE TABLE logged_model_tags (
	model_id VARCHAR(36) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	tag_key VARCHAR(255) NOT NULL, 
	tag_value TEXT NOT NULL, 
	CONSTRAINT logged_model_tags_pk PRIMARY KEY (model_id, tag_key), 
	CONSTRAINT fk_logged_model_tags_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
	CONSTRAINT fk_logged_model_tags_model_id FOREIGN KEY(model_id) REFERENCES logged_models (model_id) ON DELETE CASCADE
);
INSERT INTO logged_model_tags VALUES ('m-8498a70b17d44f77b4222bced5084071', 1, 'mlflow.user', 'ana');
INSERT INTO logged_model_tags VALUES ('m-8498a70b17d44f77b4222bced5084071', 1, 'mlflow.source.name', 'mk2.py');
INSERT INTO logged_model_tags VALUES ('m-8498a70b17d44f77b4222bced5084071', 1, 'mlflow.source.type', 'LOCAL');
INSERT INTO logged_model_tags VALUES ('m-8498a70b17d44f77b4222bced5084071', 1, 'mlflow.model.isExternal', 'true');
CREATE TABLE logged_models (
	model_id VARCHAR(36) NOT NULL, 
	experiment_id INTEGER NOT NULL, 
	name VARCHAR(500) NOT NULL, 
	artifact_location VARCHAR(1000) NOT NULL, 
	creation_timestamp_ms BIGINT NOT NULL, 
	last_updated_timestamp_ms BIGINT NOT NULL, 
	status INTEGER NOT NULL, 
	lifecycle_stage VARCHAR(32), 
	model_type VARCHAR(500), 
	source_run_id VARCHAR(32), 
	status_message VARCHAR(1000), 
	CONSTRAINT logged_models_pk PRIMARY KEY (model_id), 
	CONSTRAINT logged_models_lifecycle_stage_check CHECK (lifecycle_stage IN ('active', 'deleted')), 
	CONSTRAINT fk_logged_models_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE
);
INSERT INTO logged_models VALUES ('m-8498a70b17d44f77b4222bced5084071', 1, 'net', '@HERE@/artifacts/models/m-8498a70b17d44f77b4222bced5084071/artifacts', 1795253096063, 1795253096123, 2, 'active', 'cnn', '87606d301288485ba8efff5d6dede2ca', NULL);
CREATE TABLE "metrics" (
	"key" VARCHAR(250) NOT NULL, 
	value FLOAT NOT NULL, 
	timestamp BIGINT NOT NULL, 
	run_uuid VARCHAR(32) NOT NULL, 
	step BIGINT DEFAULT '0' NOT NULL, 
	is_nan BOOLEAN DEFAULT '0' NOT NULL, 
	CONSTRAINT metric_pk PRIMARY KEY ("key", timestamp, step, run_uuid, value, is_nan), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid), 
	CHECK (is_nan IN (0, 1))
);
INSERT INTO metrics VALUES ('loss', 1.0, 1795253095793, '87606d301288485ba8efff5d6dede2ca', 0, 0);
INSERT INTO metrics VALUES ('accuracy', 0.0, 1795253095793, '87606d301288485ba8efff5d6dede2ca', 0, 0);
INSERT INTO metrics VALUES ('val_loss', 2.0, 1795253095820, '87606d301288485ba8efff5d6dede2ca', 0, 0);
INSERT INTO metrics VALUES ('loss', 0.5, 1795253095844, '87606d301288485ba8efff5d6dede2ca', 1, 0);
INSERT INTO metrics VALUES ('accuracy', 0.2, 1795253095844, '87606d301288485ba8efff5d6dede2ca', 1, 0);
INSERT INTO metrics VALUES ('val_loss', 1.0, 1795253095875, '87606d301288485ba8efff5d6dede2ca', 1, 0);
INSERT INTO metrics VALUES ('loss', 3.33333333333333314829e-01, 1795253095900, '87606d301288485ba8efff5d6dede2ca', 2, 0);
INSERT INTO metrics VALUES ('accuracy', 0.4, 1795253095900, '87606d301288485ba8efff5d6dede2ca', 2, 0);
INSERT INTO metrics VALUES ('val_loss', 6.66666666666666629659e-01, 1795253095930, '87606d301288485ba8efff5d6dede2ca', 2, 0);
INSERT INTO metrics VALUES ('loss', 0.25, 1795253095948, '87606d301288485ba8efff5d6dede2ca', 3, 0);
INSERT INTO metrics VALUES ('accuracy', 0.6, 1795253095948, '87606d301288485ba8efff5d6dede2ca', 3, 0);
INSERT INTO metrics VALUES ('val_loss', 0.0, 1795253095960, '87606d301288485ba8efff5d6dede2ca', 3, 1);
INSERT INTO metrics VALUES ('loss', 0.2, 1795253095966, '87606d301288485ba8efff5d6dede2ca', 4, 0);
INSERT INTO metrics VALUES ('accuracy', 0.8, 1795253095966, '87606d301288485ba8efff5d6dede2ca', 4, 0);
INSERT INTO metrics VALUES ('val_loss', 0.4, 1795253095989, '87606d301288485ba8efff5d6dede2ca', 4, 0);
INSERT INTO metrics VALUES ('diverged', 1.79769313486231562234e+308, 1795253096028, '87606d301288485ba8efff5d6dede2ca', 0, 0);
INSERT INTO metrics VALUES ('test_accuracy', 0.75, 1795253096200, '87606d301288485ba8efff5d6dede2ca', 0, 0);
INSERT INTO metrics VALUES ('x', -1.79769313486231562234e+308, 1795253096392, '21fed22e06c646bcaabcc2d2fbded884', 0, 0);
CREATE TABLE "params" (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(8000) NOT NULL, 
	run_uuid VARCHAR(32) NOT NULL, 
	CONSTRAINT param_pk PRIMARY KEY ("key", run_uuid), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)
);
INSERT INTO params VALUES ('learning_rate', '0.01', '87606d301288485ba8efff5d6dede2ca');
INSERT INTO params VALUES ('epochs', '5', '87606d301288485ba8efff5d6dede2ca');
INSERT INTO params VALUES ('solver', 'lbfgs', '87606d301288485ba8efff5d6dede2ca');
INSERT INTO params VALUES ('a/b', 'x: ''y''', '87606d301288485ba8efff5d6dede2ca');
INSERT INTO params VALUES ('on', 'True', '87606d301288485ba8efff5d6dede2ca');
INSERT INTO params VALUES ('id', '007', '87606d301288485ba8efff5d6dede2ca');
INSERT INTO params VALUES ('lr', '0.1', 'e27b990075194fbabbd900c368b2015a');
CREATE TABLE "runs" (
	run_uuid VARCHAR(32) NOT NULL, 
	name VARCHAR(250), 
	source_type VARCHAR(20), 
	source_name VARCHAR(500), 
	entry_point_name VARCHAR(50), 
	user_id VARCHAR(256), 
	status VARCHAR(9), 
	start_time BIGINT, 
	end_time BIGINT, 
	source_version VARCHAR(50), 
	lifecycle_stage VARCHAR(20), 
	artifact_uri VARCHAR(200), 
	experiment_id INTEGER, deleted_time BIGINT, 
	CONSTRAINT run_pk PRIMARY KEY (run_uuid), 
	CONSTRAINT source_type CHECK (source_type IN ('NOTEBOOK', 'JOB', 'LOCAL', 'UNKNOWN', 'PROJECT')), 
	CONSTRAINT runs_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')), 
	FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
	CHECK (status IN ('SCHEDULED', 'FAILED', 'FINISHED', 'RUNNING', 'KILLED'))
);
INSERT INTO runs VALUES ('87606d301288485ba8efff5d6dede2ca', 'first', 'UNKNOWN', '', '', 'ana', 'FINISHED', 1795253095651, 1795253096268, '', 'active', '@HERE@/artifacts/87606d301288485ba8efff5d6dede2ca/artifacts', 1, NULL);
INSERT INTO runs VALUES ('e27b990075194fbabbd900c368b2015a', 'second', 'UNKNOWN', '', '', 'ana', 'FAILED', 1795253096294, 1795253096436, '', 'active', '@HERE@/artifacts/e27b990075194fbabbd900c368b2015a/artifacts', 1, NULL);
INSERT INTO runs VALUES ('21fed22e06c646bcaabcc2d2fbded884', 'child', 'UNKNOWN', '', '', 'ana', 'FINISHED', 1795253096369, 1795253096416, '', 'active', '@HERE@/artifacts/21fed22e06c646bcaabcc2d2fbded884/artifacts', 1, NULL);
INSERT INTO runs VALUES ('900fa514abed4e00b7273788b633cf68', 'gone', 'UNKNOWN', '', '', 'ana', 'FINISHED', 1795253096466, 1795253096492, '', 'deleted', '@HERE@/artifacts/900fa514abed4e00b7273788b633cf68/artifacts', 1, 1795253096519);
CREATE TABLE "tags" (
	"key" VARCHAR(250) NOT NULL, 
	value VARCHAR(8000), 
	run_uuid VARCHAR(32) NOT NULL, 
	CONSTRAINT tag_pk PRIMARY KEY ("key", run_uuid), 
	FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)
);
INSERT INTO tags VALUES ('mlflow.user', 'ana', '87606d301288485ba8efff5d6dede2ca');
INSERT INTO tags VALUES ('mlflow.source.name', 'mk2.py', '87606d301288485ba8efff5d6dede2ca');
INSERT INTO tags VALUES ('mlflow.source.type', 'LOCAL', '87606d301288485ba8efff5d6dede2ca');
INSERT INTO tags VALUES ('mlflow.runName', 'first', '87606d301288485ba8efff5d6dede2ca');
INSERT INTO tags VALUES ('team', 'a', '87606d301288485ba8efff5d6dede2ca');
INSERT INTO tags VALUES ('mlflow.source.git.commit', '1212121212121212121212121212121212121212', '87606d301288485ba8efff5d6dede2ca');
INSERT INTO tags VALUES ('mlflow.source.git.branch', 'main', '87606d301288485ba8efff5d6dede2ca');
INSERT INTO tags VALUES ('note', 'line 1
line 2', '87606d301288485ba8efff5d6dede2ca');
INSERT INTO tags VALUES ('mlflow.user', 'ana', 'e27b990075194fbabbd900c368b2015a');
INSERT INTO tags VALUES ('mlflow.source.name', 'mk2.py', 'e27b990075194fbabbd900c368b2015a');
INSERT INTO tags VALUES ('mlflow.source.type', 'LOCAL', 'e27b990075194fbabbd900c368b2015a');
INSERT INTO tags VALUES ('mlflow.runName', 'second', 'e27b990075194fbabbd900c368b2015a');
INSERT INTO tags VALUES ('mlflow.user', 'ana', '21fed22e06c646bcaabcc2d2fbded884');
INSERT INTO tags VALUES ('mlflow.source.name', 'mk2.py', '21fed22e06c646bcaabcc2d2fbded884');
INSERT INTO tags VALUES ('mlflow.source.type', 'LOCAL', '21fed22e06c646bcaabcc2d2fbded884');
INSERT INTO tags VALUES ('mlflow.parentRunId', 'e27b990075194fbabbd900c368b2015a', '21fed22e06c646bcaabcc2d2fbded884');
INSERT INTO tags VALUES ('mlflow.runName', 'child', '21fed22e06c646bcaabcc2d2fbded884');
INSERT INTO tags VALUES ('mlflow.user', 'ana', '900fa514abed4e00b7273788b633cf68');
INSERT INTO tags VALUES ('mlflow.source.name', 'mk2.py', '900fa514abed4e00b7273788b633cf68');
INSERT INTO tags VALUES ('mlflow.source.type', 'LOCAL', '900fa514abed4e00b7273788b633cf68');
INSERT INTO tags VALUES ('mlflow.runName', 'gone', '900fa514abed4e00b7273788b633cf68');
