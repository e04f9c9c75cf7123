/* The same structs in each protocol: what one client sends, another would get back. */
#include "test.h"

#include "aws/wire.h"
#include "gen/zoo.h"

#include <errno.h>

struct exchange {
    struct arena arena;
    struct aws_fault fault;
    struct aws_http_answer answer;
};

static int setup(void **state)
{
    struct exchange *x = calloc(1, sizeof *x);
    arena_init(&x->arena, 4 << 20);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct exchange *x = *state;
    arena_done(&x->arena);
    free(x);
    return 0;
}

/* Decodes a request of Mirror; NULL: refused. */
static struct zoo_Everything *take(struct exchange *x, enum aws_protocol protocol, const char *body)
{
    struct aws_http_request req = {STR("POST"), STR("/mirror"), STR(""), NULL, 0, str_from(body)};
    struct zoo_Everything *in = ARENA_NEW(&x->arena, struct zoo_Everything);
    int rc = aws_decode(&zoo_service, protocol, &zoo_op_Mirror, &req, &x->arena, in, &x->fault);
    return rc < 0 ? NULL : in;
}

static void give(struct exchange *x, enum aws_protocol protocol, const struct zoo_Everything *out)
{
    assert_ok(
        aws_encode(&zoo_service, protocol, &zoo_op_Mirror, out, STR("r-1"), &x->arena, &x->answer));
    assert_int_equal(x->answer.status, 200);
}

static struct str header(const struct exchange *x, const char *name)
{
    for (size_t i = 0; i < x->answer.header_count; i++)
        if (str_eq_nocase(x->answer.headers[i].name, str_from(name)))
            return x->answer.headers[i].value;
    return STR_NONE;
}

static const char everything_json[] =
    "{\"text\":\"a\",\"word\":\"dark blue\",\"bytes\":\"AAE=\",\"document\":{\"x\": [1, null]},"
    "\"yes\":false,\"byte\":-128,\"short\":32767,\"integer\":-5,\"long\":-9223372036854775808,"
    "\"float\":1.1,\"double\":\"-Infinity\",\"at\":-1.5,\"atIso\":\"2020-01-02T03:04:05.006Z\","
    "\"atHttp\":\"Tue, 29 Apr 2014 18:30:38 GMT\",\"Renamed\":\"r\",\"texts\":[],"
    "\"sparseTexts\":[\"x\",null],\"sparseNumbers\":[null,7],\"times\":[1,1.25],"
    "\"nested\":{\"nested\":{\"integer\":1,\"fallback\":\"none\"},\"fallback\":\"set\"},"
    "\"choice\":{\"animal\":{\"name\":\"ox\",\"legs\":4}},\"animals\":[{\"name\":\"a\"}],"
    "\"tags\":{\"k\":\"v\"},\"sparseTags\":{\"a\":null,\"b\":2},\"herds\":[[{\"name\":\"b\"}],[]],"
    "\"groups\":{\"g\":[{\"name\":\"c\"}]},\"fallback\":\"none\"}";

static void rest_json_gives_back_what_it_took(void **state)
{
    struct exchange *x = *state;
    struct zoo_Everything *in = take(x, AWS_REST_JSON, everything_json);
    assert_non_null(in);
    assert_int_equal(in->at, -1500);
    assert_int_equal(in->times.items[1], 1250);
    assert_false(in->sparseNumbers.items[0].has_value);
    assert_int_equal(in->sparseNumbers.items[1].value, 7);
    assert_true(in->texts.items != NULL && in->texts.count == 0);
    give(x, AWS_REST_JSON, in);
    assert_str(x->answer.body, everything_json);
}

static void json_1_1_names_the_type_of_its_answer(void **state)
{
    struct exchange *x = *state;
    struct zoo_Everything *in = take(x, AWS_JSON_1_1, "");
    assert_non_null(in);
    assert_str(in->fallback, "none");
    give(x, AWS_JSON_1_1, in);
    assert_str(x->answer.body, "{\"fallback\":\"none\"}");
    assert_str(header(x, "content-type"), "application/x-amz-json-1.1");
    x->fault = (struct aws_fault){.error = &zoo_error_Escaped, .message = STR("gone")};
    aws_encode_fault(&zoo_service, AWS_JSON_1_0, &zoo_op_Mirror, &x->fault, STR("r-1"), &x->arena,
                     &x->answer);
    assert_int_equal(x->answer.status, 409);
    assert_str(x->answer.body, "{\"__type\":\"Escaped\",\"Message\":\"gone\"}");
}

static void query_takes_forms_in_any_order(void **state)
{
    struct exchange *x = *state;
    struct zoo_Everything *in = take(
        x, AWS_QUERY,
        "texts.member.10=c&texts.member.2=b&text=a+b%26&text=later&flatTexts.1=q&Unknown.1.x=1&"
        "Action=Mirror&nested.nested.integer=5&texts.member.1=a&at=2020-01-01T00:00:00Z&"
        "tags.entry.1.value=v&tags.entry.1.key=k&flatTags.2.key=z&flatTags.2.value=y&"
        "choice.animal.name=ox&animals=&yes=true&bytes=AAE%3D&herds.member.1.member.3.name=a");
    assert_non_null(in);
    assert_str(in->text, "a b&");
    assert_int_equal(in->texts.count, 3);
    assert_str(in->texts.items[2], "c");
    assert_str(in->flatTexts.items[0], "q");
    assert_int_equal(in->nested->nested->integer, 5);
    assert_int_equal(in->at, INT64_C(1577836800000));
    assert_str(in->tags.items[0].key, "k");
    assert_str(in->flatTags.items[0].value, "y");
    assert_str(in->choice->animal->name, "ox");
    assert_true(in->animals.items != NULL && in->animals.count == 0);
    assert_true(in->yes && in->bytes.len == 2);
    assert_str(in->herds.items[0].items[0].name, "a");
}

static void query_refuses_what_does_not_fit(void **state)
{
    struct exchange *x = *state;
    static const char *const bad[] = {
        "integer=x", "text.x=1",       "texts.member.a=1",     "tags.entry.1=x",
        "text=%zz",  "texts.member=x", "tags.entry.1.value=v", "bytes=***",
        "texts=x"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (take(x, AWS_QUERY, bad[i]) != NULL)
            fail_msg("%s was taken", bad[i]);
        assert_ptr_equal(x->fault.error, &aws_error_serialization);
    }
    x->fault.message = STR("<&>");
    aws_encode_fault(&zoo_service, AWS_QUERY, NULL, &x->fault, STR("r-1"), &x->arena, &x->answer);
    assert_str(header(x, "content-type"), "text/xml");
    assert_str(x->answer.body,
               "<ErrorResponse xmlns=\"https://zoo.example/doc/\"><Error><Type>Sender</Type><Code>"
               "MalformedInput</Code><Message>&lt;&amp;&gt;</Message></Error><RequestId>r-1"
               "</RequestId></ErrorResponse>");
}

static void query_answers_in_xml(void **state)
{
    struct exchange *x = *state;
    struct str texts[] = {STR_INIT("a<"), STR_INIT("\x01")};
    struct zoo_Tags_entry tags[] = {{STR_INIT("k"), STR_INIT("v")}};
    struct zoo_Everything out = {.has_yes = true,
                                 .texts = {texts, 2},
                                 .flatTexts = {texts, 1},
                                 .tags = {tags, 1},
                                 .flatTags = {tags, 1},
                                 .has_at = true,
                                 .at = 1500};
    give(x, AWS_QUERY, &out);
    assert_str(x->answer.body,
               "<MirrorResponse xmlns=\"https://zoo.example/doc/\"><MirrorResult><yes>false</yes>"
               "<at>1970-01-01T00:00:01.500Z</at><texts><member>a&lt;</member><member>\xEF\xBF\xBD"
               "</member></texts><flatTexts>a&lt;</flatTexts><tags><entry><key>k</key><value>v"
               "</value></entry></tags><flatTags><key>k</key><value>v</value></flatTags>"
               "</MirrorResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata>"
               "</MirrorResponse>");
}

static void rest_xml_gives_back_what_it_took(void **state)
{
    struct exchange *x = *state;
    static const char xml[] =
        "<Everything "
        "xmlns=\"https://zoo.example/doc/\"><text>a&lt;&#xE9;b</text><bytes>AAE=</bytes>"
        "<yes>false</yes><byte>-128</byte><double>-Infinity</double>"
        "<at>1970-01-01T00:00:01.500Z</at><Renamed>r</Renamed><texts><member>x</member><member>"
        "</member></texts><flatTexts>1</flatTexts><flatTexts>2</flatTexts><nested><integer>1"
        "</integer><fallback>none</fallback></nested><choice><number>3</number></choice><tags>"
        "<entry><key>k</key><value>v</value></entry></tags><flatTags><key>k</key><value>v</value>"
        "</flatTags><herds><member><member><name>b</name></member></member></herds>"
        "<fallback>none</fallback></Everything>";
    struct zoo_Everything *in = take(x, AWS_REST_XML, xml);
    assert_non_null(in);
    assert_str(in->text, "a<\xC3\xA9"
                         "b");
    assert_int_equal(in->flatTexts.count, 2);
    assert_str(in->herds.items[0].items[0].name, "b");
    give(x, AWS_REST_XML, in);
    struct str first = x->answer.body;
    AUTO_BUF struct buf copy;
    buf_init(&copy, 1 << 16);
    buf_put(&copy, first);
    in = take(x, AWS_REST_XML, buf_str(&copy).ptr);
    assert_non_null(in);
    give(x, AWS_REST_XML, in);
    assert_true(str_eq(first, x->answer.body));
}

static void rest_xml_reads_as_s3_does(void **state)
{
    struct exchange *x = *state;
    struct zoo_Everything *in = take(
        x, AWS_REST_XML,
        "\xEF\xBB\xBF<?xml version=\"1.0\"?>\n<!-- c --><x:Any xmlns:x='u'>\n <x:integer> 7 "
        "</x:integer><Unknown a='1'><text>no</text></Unknown><text>a<![CDATA[<&]]>b<!-- c -->&amp;"
        "</text><texts/><flatTexts>1</flatTexts><yes>true</yes><flatTexts>2</flatTexts></x:Any>\n");
    assert_non_null(in);
    assert_int_equal(in->integer, 7);
    assert_str(in->text, "a<&b&");
    assert_true(in->texts.items != NULL && in->texts.count == 0);
    assert_str(in->flatTexts.items[1], "2");
    static const char *const bad[] = {"x",
                                      "<a>",
                                      "<a></b>",
                                      "<a/><b/>",
                                      "<a>&x;</a>",
                                      "<a>&#0;</a>",
                                      "<!DOCTYPE a><a/>",
                                      "<a><integer>x</integer></a>",
                                      "<a><text><b/></text></a>",
                                      "<a b></a>",
                                      "<a b=1></a>",
                                      "<a/>x",
                                      "<a",
                                      "<a b='",
                                      "<1/>",
                                      "<a>&#xD800;</a>",
                                      "<a><!ENTITY x></a>",
                                      "<a><![CDATA[</a>",
                                      "<a>\xFF</a>",
                                      "<a><tags><entry><value>v</value></entry></tags></a>"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (take(x, AWS_REST_XML, bad[i]) != NULL)
            fail_msg("%s was taken", bad[i]);
        assert_ptr_equal(x->fault.error, &aws_error_malformed_xml);
    }
    aws_encode_fault(&zoo_service, AWS_REST_XML, NULL, &x->fault, STR("r-1"), &x->arena,
                     &x->answer);
    assert_int_equal(x->answer.status, 400);
    assert_true(str_starts(x->answer.body, STR("<ErrorResponse><Error><Type>Sender</Type><Code>"
                                               "MalformedXML</Code>")));
}

static void each_protocol_names_the_operation_in_its_place(void **state)
{
    struct exchange *x = *state;
    const struct http_header target = {STR_INIT("X-Amz-Target"), STR_INIT("Zoo_20200101.Text")};
    const struct http_header no_dot = {STR_INIT("X-Amz-Target"), STR_INIT("Text")};
    const struct {
        enum aws_protocol protocol;
        struct aws_http_request req;
        const struct aws_operation *op;
    } cases[] = {
        {AWS_JSON_1_1, {STR("POST"), STR("/"), STR(""), &target, 1, STR("")}, &zoo_op_Text},
        {AWS_JSON_1_1, {STR("POST"), STR("/"), STR(""), &no_dot, 1, STR("")}, &zoo_op_Text},
        {AWS_JSON_1_1, {STR("POST"), STR("/"), STR(""), NULL, 0, STR("")}, NULL},
        {AWS_QUERY,
         {STR("POST"), STR("/"), STR(""), NULL, 0, STR("a=b&Action=Text")},
         &zoo_op_Text},
        {AWS_QUERY, {STR("GET"), STR("/"), STR("Action=Text"), NULL, 0, STR("")}, &zoo_op_Text},
        {AWS_QUERY, {STR("GET"), STR("/"), STR("Action=%zz"), NULL, 0, STR("")}, NULL},
        {AWS_CBOR,
         {STR("POST"), STR("/service/Zoo_20200101/operation/Text"), STR(""), NULL, 0, STR("")},
         &zoo_op_Text},
        {AWS_CBOR, {STR("POST"), STR("/Zoo/operation/Text"), STR(""), NULL, 0, STR("")}, NULL},
        {AWS_REST_JSON, {STR("POST"), STR("/text"), STR(""), NULL, 0, STR("")}, &zoo_op_Text},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str rejected;
        assert_ptr_equal(
            aws_dispatch(&zoo_service, cases[i].protocol, &cases[i].req, &x->arena, &rejected),
            cases[i].op);
    }
}

/* Decodes the bytes, which may hold NULs. */
static struct zoo_Everything *take_cbor(struct exchange *x, struct str bytes)
{
    struct http_header type = {STR("content-type"), STR("application/cbor")};
    struct aws_http_request req = {STR("POST"), STR("/"), STR(""), &type, 1, bytes};
    struct zoo_Everything *in = ARENA_NEW(&x->arena, struct zoo_Everything);
    int rc = aws_decode(&zoo_service, AWS_CBOR, &zoo_op_Mirror, &req, &x->arena, in, &x->fault);
    return rc < 0 ? NULL : in;
}

static void cbor_gives_back_what_it_took(void **state)
{
    struct exchange *x = *state;
    struct zoo_Everything *in = take(x, AWS_REST_JSON, everything_json);
    assert_non_null(in);
    struct str document = in->document;
    give(x, AWS_CBOR, in); /* without the document */
    assert_str(header(x, "content-type"), "application/cbor");
    assert_str(header(x, "smithy-protocol"), "rpc-v2-cbor");
    struct str once = x->answer.body;
    in = take_cbor(x, once);
    assert_non_null(in);
    give(x, AWS_CBOR, in);
    assert_true(str_eq(once, x->answer.body));
    in->document = document;
    give(x, AWS_REST_JSON, in);
    assert_str(x->answer.body, everything_json);
}

static void cbor_takes_numbers_of_any_width(void **state)
{
    struct exchange *x = *state;
    struct zoo_Everything *in = take_cbor(x, STR("\xa4\x64"
                                                 "long\xf9\x3c\x00\x66" /* 1.0 */
                                                 "double\x20\x64"
                                                 "long\x1b\x7f\xff\xff\xff\xff\xff\xff\xff\x62"
                                                 "at\xc1\xf9\x3e\x00")); /* 1.5 */
    assert_non_null(in);
    assert_int_equal(in->long_, INT64_MAX); /* the last one wins */
    assert_true(in->double_ == -1.0);
    assert_int_equal(in->at, 1500);
    assert_str(in->fallback, "none");
    assert_str(take_cbor(x, STR(""))->fallback, "none");
}

static void cbor_refuses_what_does_not_fit(void **state)
{
    struct exchange *x = *state;
    static const struct {
        struct str body;
        const char *message;
    } cases[] = {
        {STR_INIT("\x80"), "An array can not be converted to a Structure"},
        {STR_INIT("\xa1\x64text\x01"), "A number can not be converted to a String"},
        {STR_INIT("\xa1\x65"
                  "bytes\x61"
                  "a"),
         "A text can not be converted to a Blob"},
        {STR_INIT("\xa1\x64"
                  "byte\x18\x80"),
         "A number can not be converted to a Byte"},
        {STR_INIT("\xa1\x64"
                  "long\xf9\x3e\x00"),
         "A number can not be converted to a Long"},
        {STR_INIT("\xa1\x64"
                  "long\x1b\x80\x00\x00\x00\x00\x00\x00\x00"),
         "A number can not be converted to a Long"},
        {STR_INIT("\xa1\x62"
                  "at\x01"),
         "A number can not be converted to a Timestamp"},
        {STR_INIT("\xa1\x62"
                  "at\xc0\x01"),
         "A tagged item can not be converted to a Timestamp"},
        {STR_INIT("\xa1\x68"
                  "document\x01"),
         "A number can not be converted to a Document"},
        {STR_INIT("\xa1\x65texts\x81\xf6"), "A null can not be converted to a String"},
        {STR_INIT("\xa1\x01\x01"), "A number can not be a key"},
        {STR_INIT("\xa1\x66"
                  "choice\xa0"),
         "Unions must have exactly one member set: Choice"},
        {STR_INIT("\xa0\xa0"),
         "Could not parse request body into cbor: something follows the item at byte 1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_null(take_cbor(x, cases[i].body));
        assert_ptr_equal(x->fault.error, &aws_error_serialization);
        assert_str(x->fault.message, cases[i].message);
    }
    struct http_header type = {STR("content-type"), STR("application/json")};
    struct aws_http_request req = {STR("POST"), STR("/"), STR(""), &type, 1, STR("{}")};
    struct zoo_Everything in = {0};
    assert_int_equal(
        aws_decode(&zoo_service, AWS_CBOR, &zoo_op_Mirror, &req, &x->arena, &in, &x->fault),
        -EINVAL);
    assert_ptr_equal(x->fault.error, &aws_error_unsupported_media_type);
}

/* Of an operation whose requests may be compressed. */
static int unpack(struct exchange *x, const struct aws_operation *op, const char *coding,
                  struct str body)
{
    struct http_header header = {STR("Content-Encoding"), str_from(coding)};
    struct aws_http_request req = {STR("POST"), STR("/packed"), STR(""), &header, 1, body};
    struct zoo_Everything in = {0};
    int rc = aws_decode(&zoo_service, AWS_REST_JSON, op, &req, &x->arena, &in, &x->fault);
    if (rc == 0)
        assert_str(in.text, "hi");
    return rc;
}

static void gzip_where_the_model_allows_it(void **state)
{
    struct exchange *x = *state;
    static const char packed[] = /* {"text":"hi"}, by gzip -n */
        "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\x56\x2a\x49\xad\x28\x51\xb2\x52\xca"
        "\xc8\x54\xaa\x05\x00\xd8\xc4\x47\xca\x0d\x00\x00\x00";
    struct str body = str_of(packed, sizeof packed - 1);
    assert_ok(unpack(x, &zoo_op_Packed, "gzip", body));
    assert_ok(unpack(x, &zoo_op_Packed, "custom , GZip", body));
    assert_ok(unpack(x, &zoo_op_Packed, "identity", STR("{\"text\":\"hi\"}")));
    assert_int_equal(unpack(x, &zoo_op_Mirror, "gzip", body), -EINVAL);
    assert_int_equal(unpack(x, &zoo_op_Packed, "gzip", str_head(body, body.len - 1)), -EINVAL);
    assert_str(x->fault.message, "Could not decompress the request body: the data are cut");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rest_json_gives_back_what_it_took),
        TEST(json_1_1_names_the_type_of_its_answer),
        TEST(query_takes_forms_in_any_order),
        TEST(query_refuses_what_does_not_fit),
        TEST(query_answers_in_xml),
        TEST(rest_xml_gives_back_what_it_took),
        TEST(rest_xml_reads_as_s3_does),
        TEST(cbor_gives_back_what_it_took),
        TEST(cbor_takes_numbers_of_any_width),
        TEST(cbor_refuses_what_does_not_fit),
        TEST(gzip_where_the_model_allows_it),
        TEST(each_protocol_names_the_operation_in_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
