/*
 * jetstream.c - a consumer of NATS JetStream that does what evreplay does.
 *
 *   jetstream URL publish STREAM           each line of the input a message there
 *   jetstream URL remove STREAM            takes it away, if it is there
 *   jetstream URL consume STREAM COMMAND   batches of 1,000, acknowledged behind COMMAND
 *   jetstream URL emit STREAM COMMAND      what it prints is published, before that, in
 * "out"
 *
 * The last message of a batch is acknowledged for all of it, which is the fastest there
 * is, and as often as a checkpoint is written.
 */
#include <nats/nats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 1000

static void must(natsStatus s, const char *what)
{
	if (s == NATS_OK)
		return;
	fprintf(stderr, "jetstream: %s: %s\n", what, natsStatus_GetText(s));
	exit(1);
}

static void stream_add(jsCtx *js, const char *name)
{
	jsStreamConfig config;

	must(jsStreamConfig_Init(&config), name);
	config.Name = name;
	config.Subjects = &name;
	config.SubjectsLen = 1;
	config.Storage = js_FileStorage;
	must(js_AddStream(NULL, js, &config, NULL, NULL), name);
}

/* Each line a message; how many. */
static long publish(jsCtx *js, const char *stream, FILE *lines)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	long sent = 0;

	for (; (n = getline(&line, &room, lines)) > 0; sent++)
		must(js_PublishAsync(js, stream, line, (int)n - 1, NULL), "publish");
	must(js_PublishAsyncComplete(js, NULL), "publish");
	free(line);
	return sent;
}

static void batch_give(const natsMsgList *batch, FILE *to)
{
	for (int i = 0; i < batch->Count; i++) {
		fwrite(natsMsg_GetData(batch->Msgs[i]), 1,
		    (size_t)natsMsg_GetDataLength(batch->Msgs[i]), to);
		putc('\n', to);
	}
}

/* Runs COMMAND over a batch; what it prints goes to our output, or into "out". */
static void batch_run(jsCtx *js, const natsMsgList *batch, const char *command, bool emit)
{
	char with[4096];

	snprintf(with, sizeof with, "%s >new.batch", command);
	FILE *to = popen(emit ? with : command, "w");
	if (!to)
		must(NATS_ERR, command);
	batch_give(batch, to);
	if (pclose(to) != 0)
		must(NATS_ERR, command);
	if (emit) {
		FILE *from = fopen("new.batch", "r");
		if (!from)
			must(NATS_ERR, "new.batch");
		publish(js, "out", from);
		fclose(from);
	}
}

static void consume(jsCtx *js, const char *stream, const char *command, bool emit)
{
	natsSubscription *sub;
	jsSubOptions options;
	jsStreamInfo *info;
	natsMsgList batch;

	must(js_GetStreamInfo(&info, js, stream, NULL, NULL), stream);
	must(jsSubOptions_Init(&options), "options");
	options.Config.AckPolicy = js_AckAll;
	must(js_PullSubscribe(&sub, js, stream, "bench", NULL, &options, NULL), "pull");
	for (long left = (long)info->State.Msgs; left > 0;) {
		int most = left < BATCH ? (int)left : BATCH;
		must(natsSubscription_Fetch(&batch, sub, most, 60000, NULL), "fetch");
		if (batch.Count != most)
			must(NATS_ERR, "a batch is not whole");
		batch_run(js, &batch, command, emit);
		must(natsMsg_AckSync(batch.Msgs[most - 1], NULL, NULL), "ack");
		natsMsgList_Destroy(&batch);
		left -= most;
	}
	natsSubscription_Destroy(sub);
	jsStreamInfo_Destroy(info);
}

int main(int argc, char **argv)
{
	natsConnection *nc;
	jsCtx *js;

	if (argc < 4)
		return 64;
	must(natsConnection_ConnectTo(&nc, argv[1]), argv[1]);
	must(natsConnection_JetStream(&js, nc, NULL), "JetStream");
	if (strcmp(argv[2], "remove") == 0) {
		js_DeleteStream(js, argv[3], NULL, NULL);
	} else if (argc == 4) {
		stream_add(js, argv[3]);
		publish(js, argv[3], stdin);
	} else {
		bool emit = strcmp(argv[2], "emit") == 0;
		/* another run before this one may have left them */
		js_DeleteConsumer(js, argv[3], "bench", NULL, NULL);
		js_DeleteStream(js, "out", NULL, NULL);
		if (emit)
			stream_add(js, "out");
		consume(js, argv[3], argv[4], emit);
	}
	jsCtx_Destroy(js);
	natsConnection_Destroy(nc);
	nats_Close();
	return 0;
}
