/* reader BROKER GROUP COUNT TOPIC...: a member of a consumer group with librdkafka.
 *
 * Reads COUNT records from where the group stopped (a new group: from the start), prints
 * `r topic partition offset` for each, commits, leaves. Exit code 1 if they do not come in time.
 */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LIMIT_SECONDS 60

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
  char error[512];
  if (rd_kafka_conf_set(conf, name, value, error, sizeof error) != RD_KAFKA_CONF_OK) {
    fprintf(stderr, "%s=%s: %s\n", name, value, error);
    exit(2);
  }
}

static rd_kafka_t *member(const char *broker, const char *group) {
  char error[512];
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  set(conf, "bootstrap.servers", broker);
  set(conf, "group.id", group);
  set(conf, "auto.offset.reset", "earliest");
  set(conf, "enable.auto.commit", "false");
  set(conf, "enable.auto.offset.store", "false");
  rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
  if (!consumer) {
    fprintf(stderr, "%s\n", error);
    exit(2);
  }
  rd_kafka_poll_set_consumer(consumer);
  return consumer;
}

int main(int words, char **word) {
  if (words < 5) {
    fprintf(stderr, "reader BROKER GROUP COUNT TOPIC...\n");
    return 2;
  }
  rd_kafka_t *consumer = member(word[1], word[2]);
  long wanted = atol(word[3]), count = 0;
  rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(words - 4);
  for (int i = 4; i < words; i++)
    rd_kafka_topic_partition_list_add(topics, word[i], RD_KAFKA_PARTITION_UA);
  rd_kafka_resp_err_t failed = rd_kafka_subscribe(consumer, topics);
  time_t limit = time(NULL) + LIMIT_SECONDS;
  while (!failed && count < wanted && time(NULL) < limit) {
    rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 200);
    if (!message)
      continue;
    if (message->err) {
      fprintf(stderr, "%s\n", rd_kafka_message_errstr(message));
    } else {
      printf("r %s %" PRId32 " %" PRId64 "\n", rd_kafka_topic_name(message->rkt), message->partition,
             message->offset);
      rd_kafka_offset_store(message->rkt, message->partition, message->offset);
      count++;
    }
    rd_kafka_message_destroy(message);
  }
  if (!failed && count == wanted)
    failed = rd_kafka_commit(consumer, NULL, 0);
  if (failed)
    fprintf(stderr, "%s\n", rd_kafka_err2str(failed));
  if (count != wanted)
    fprintf(stderr, "%ld of %ld records in %d s\n", count, wanted, LIMIT_SECONDS);
  rd_kafka_topic_partition_list_destroy(topics);
  rd_kafka_consumer_close(consumer);
  rd_kafka_destroy(consumer);
  return failed || count != wanted;
}
