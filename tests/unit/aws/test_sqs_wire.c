/* SQS in the two dialects that its clients speak: JSON 1.0 (current SDKs) and Query (all before
 * 2023). The forms and answers are those of the SQS API reference. */
#include "test.h"

#include "aws/wire.h"
#include "gen/sqs.h"

struct rig {
    struct arena arena;
    struct aws_fault fault;
    struct aws_http_answer answer;
};

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    arena_init(&rig->arena, 4 << 20);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    arena_done(&rig->arena);
    free(rig);
    return 0;
}

static void *take(struct rig *rig, enum aws_protocol protocol, const struct aws_operation *op,
                  const char *body)
{
    struct http_header target = {
        STR("X-Amz-Target"), arena_printf(&rig->arena, "AmazonSQS." STR_FMT, STR_ARG(op->name))};
    struct aws_http_request req = {STR("POST"), STR("/"), STR(""), &target, 1, str_from(body)};
    struct str rejected;
    assert_ptr_equal(aws_dispatch(&sqs_service, protocol, &req, &rig->arena, &rejected), op);
    void *in = arena_alloc(&rig->arena, op->input->size);
    if (aws_decode(&sqs_service, protocol, op, &req, &rig->arena, in, &rig->fault) < 0)
        fail_msg(STR_FMT, STR_ARG(rig->fault.message));
    return in;
}

static struct str give(struct rig *rig, enum aws_protocol protocol, const struct aws_operation *op,
                       const void *out)
{
    assert_ok(aws_encode(&sqs_service, protocol, op, out, STR("r"), &rig->arena, &rig->answer));
    return rig->answer.body;
}

static struct str header(const struct rig *rig, const char *name)
{
    for (size_t i = 0; i < rig->answer.header_count; i++)
        if (str_eq_nocase(rig->answer.headers[i].name, str_from(name)))
            return rig->answer.headers[i].value;
    return STR_NONE;
}

static void creates_queues(void **state)
{
    struct rig *rig = *state;
    static const struct {
        enum aws_protocol protocol;
        const char *body;
    } cases[] = {
        {AWS_QUERY, "Action=CreateQueue&QueueName=q&Attribute.1.Name=VisibilityTimeout&"
                    "Attribute.1.Value=40&Tag.1.Key=team&Tag.1.Value=x&Version=2012-11-05"},
        {AWS_JSON_1_0, "{\"QueueName\":\"q\",\"Attributes\":{\"VisibilityTimeout\":\"40\"},"
                       "\"tags\":{\"team\":\"x\"}}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sqs_CreateQueueRequest *in =
            take(rig, cases[i].protocol, &sqs_op_CreateQueue, cases[i].body);
        assert_str(in->QueueName, "q");
        assert_int_equal(in->Attributes.count, 1);
        assert_str(in->Attributes.items[0].key, "VisibilityTimeout");
        assert_str(in->Attributes.items[0].value, "40");
        assert_str(in->tags.items[0].key, "team");
        assert_str(in->tags.items[0].value, "x");
    }
}

static void sends_messages_with_attributes(void **state)
{
    struct rig *rig = *state;
    struct sqs_SendMessageBatchRequest *in =
        take(rig, AWS_QUERY, &sqs_op_SendMessageBatch,
             "Action=SendMessageBatch&QueueUrl=u&SendMessageBatchRequestEntry.1.Id=a&"
             "SendMessageBatchRequestEntry.1.MessageBody=one&SendMessageBatchRequestEntry.2.Id=b&"
             "SendMessageBatchRequestEntry.2.MessageBody=two&"
             "SendMessageBatchRequestEntry.2.MessageAttribute.1.Name=n&"
             "SendMessageBatchRequestEntry.2.MessageAttribute.1.Value.StringValue=v&"
             "SendMessageBatchRequestEntry.2.MessageAttribute.1.Value.DataType=String");
    assert_int_equal(in->Entries.count, 2);
    assert_str(in->Entries.items[1].MessageBody, "two");
    assert_str(in->Entries.items[1].MessageAttributes.items[0].key, "n");
    assert_str(in->Entries.items[1].MessageAttributes.items[0].value.StringValue, "v");
    struct sqs_ReceiveMessageRequest *receive =
        take(rig, AWS_QUERY, &sqs_op_ReceiveMessage,
             "Action=ReceiveMessage&QueueUrl=u&MaxNumberOfMessages=5&AttributeName.1=All&"
             "MessageAttributeName.1=n");
    assert_int_equal(receive->MaxNumberOfMessages, 5);
    assert_str(receive->AttributeNames.items[0], "All");
    assert_str(receive->MessageAttributeNames.items[0], "n");
}

static void answers_in_both_dialects(void **state)
{
    struct rig *rig = *state;
    struct sqs_MessageSystemAttributeMap_entry attribute = {.key = STR("SenderId"),
                                                            .value = STR("s")};
    struct sqs_Message message = {
        .MessageId = STR("m"), .Body = STR("<b>"), .Attributes = {.items = &attribute, .count = 1}};
    struct sqs_ReceiveMessageResult out = {.Messages = {.items = &message, .count = 1}};
    assert_str(give(rig, AWS_QUERY, &sqs_op_ReceiveMessage, &out),
               "<ReceiveMessageResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\">"
               "<ReceiveMessageResult><Message><MessageId>m</MessageId><Body>&lt;b&gt;</Body>"
               "<Attribute><Name>SenderId</Name><Value>s</Value></Attribute></Message>"
               "</ReceiveMessageResult><ResponseMetadata><RequestId>r</RequestId>"
               "</ResponseMetadata></ReceiveMessageResponse>");
    assert_str(give(rig, AWS_JSON_1_0, &sqs_op_ReceiveMessage, &out),
               "{\"Messages\":[{\"MessageId\":\"m\",\"Body\":\"<b>\",\"Attributes\":"
               "{\"SenderId\":\"s\"}}]}");
    struct str urls[] = {STR_INIT("http://a"), STR_INIT("http://b")};
    struct sqs_ListQueuesResult list = {.QueueUrls = {.items = urls, .count = 2}};
    assert_str(give(rig, AWS_QUERY, &sqs_op_ListQueues, &list),
               "<ListQueuesResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\">"
               "<ListQueuesResult><QueueUrl>http://a</QueueUrl><QueueUrl>http://b</QueueUrl>"
               "</ListQueuesResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>"
               "</ListQueuesResponse>");
}

static void fails_with_the_code_that_each_client_knows(void **state)
{
    struct rig *rig = *state;
    struct aws_fault fault = {.error = &sqs_error_QueueDoesNotExist, .message = STR("gone")};
    aws_encode_fault(&sqs_service, AWS_JSON_1_0, &sqs_op_GetQueueUrl, &fault, STR("r"), &rig->arena,
                     &rig->answer);
    assert_int_equal(rig->answer.status, 400);
    assert_str(header(rig, "x-amzn-query-error"), "AWS.SimpleQueueService.NonExistentQueue;Sender");
    assert_str(rig->answer.body,
               "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\",\"message\":\"gone\"}");
    aws_encode_fault(&sqs_service, AWS_QUERY, &sqs_op_GetQueueUrl, &fault, STR("r"), &rig->arena,
                     &rig->answer);
    assert_int_equal(rig->answer.status, 400);
    assert_null(header(rig, "x-amzn-query-error").ptr);
    assert_str(rig->answer.body,
               "<ErrorResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><Error>"
               "<Type>Sender</Type><Code>AWS.SimpleQueueService.NonExistentQueue</Code>"
               "<Message>gone</Message></Error><RequestId>r</RequestId></ErrorResponse>");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(creates_queues),
        TEST(sends_messages_with_attributes),
        TEST(answers_in_both_dialects),
        TEST(fails_with_the_code_that_each_client_knows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
