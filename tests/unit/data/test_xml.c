/* XML: what the reader gives, and what it refuses. */
#include "test.h"

#include "base/buf.h"
#include "data/xml.h"

#include <errno.h>

/* The tokens of a document as text: "<a x=1>text</a>". */
static struct str tokens(struct arena *arena, struct xml_reader *r, struct str text)
{
    AUTO_BUF struct buf out;
    struct str name, value;
    buf_init(&out, 1 << 20);
    xml_reader_init(r, text, arena);
    for (;;) {
        switch (xml_next(r)) {
        case XML_OPEN:
            buf_printf(&out, "<" STR_FMT, STR_ARG(r->name));
            while (xml_attribute_next(r, &name, &value) == 1)
                buf_printf(&out, " " STR_FMT "=" STR_FMT, STR_ARG(name), STR_ARG(value));
            buf_put_char(&out, '>');
            break;
        case XML_CLOSE: buf_printf(&out, "</" STR_FMT ">", STR_ARG(r->name)); break;
        case XML_TEXT: buf_put(&out, r->text); break;
        case XML_ERROR: buf_put(&out, STR("!")); return arena_str(arena, buf_str(&out));
        case XML_END: return arena_str(arena, buf_str(&out));
        }
    }
}

static void reads(const char *text, const char *wanted)
{
    AUTO_ARENA struct arena arena;
    struct xml_reader r;
    arena_init(&arena, 1 << 20);
    assert_str(tokens(&arena, &r, str_from(text)), wanted);
    assert_null(r.error);
}

static void refuses(const char *text)
{
    AUTO_ARENA struct arena arena;
    struct xml_reader r;
    arena_init(&arena, 1 << 20);
    struct str got = tokens(&arena, &r, str_from(text));
    if (!str_ends(got, STR("!")) || r.error == NULL)
        fail_msg("%s was taken as " STR_FMT, text, STR_ARG(got));
    assert_int_equal(xml_next(&r), XML_ERROR); /* for ever */
}

static void elements_and_text(void **state)
{
    (void) state;
    reads("<a/>", "<a></a>");
    reads("<a></a>", "<a></a>");
    reads(" <a>b<c/>d</a>\n", "<a>b<c></c>d</a>");
    reads("<n:a xmlns:n='u'><n:b >x</n:b ></n:a>", "<a xmlns:n=u><b>x</b></a>");
    reads("<a x=\"1\" xsi:type='t u'/>", "<a x=1 xsi:type=t u></a>");
    reads(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- c --><a><!-- d -->b<?pi x?></a><!--e-->",
        "<a>b</a>");
    reads("<a>\xC3\xBC</a>", "<a>\xC3\xBC</a>");
}

static void entities_and_cdata(void **state)
{
    (void) state;
    reads("<a>&lt;&amp;&gt;&quot;&apos;</a>", "<a><&>\"'</a>");
    reads("<a>&#65;&#x42;&#x20AC;&#x1F600;</a>", "<a>AB\xE2\x82\xAC\xF0\x9F\x98\x80</a>");
    reads("<a x='&lt;&#x41;'/>", "<a x=<A></a>");
    reads("<a><![CDATA[<b>&amp;]]></a>", "<a><b>&amp;</a>");
    refuses("<a>&unknown;</a>");
    refuses("<a>&lt</a>");
    refuses("<a>&#0;</a>");
    refuses("<a>&#xD800;</a>");
    refuses("<a>&#x110000;</a>");
    refuses("<a>&#99999999999999999999;</a>");
    refuses("<a><![CDATA[b</a>");
}

static void what_is_not_well_formed(void **state)
{
    (void) state;
    refuses("");
    refuses("text");
    refuses("<a>");
    refuses("<a></b>");
    refuses("<a><b></a></b>");
    refuses("<a/><b/>");
    refuses("<a/>text");
    refuses("<a");
    refuses("<a>\xff</a>");
    refuses("</a>");
    refuses("<a><!-- </a>");
}

/* They are looked at only when someone asks for them. */
static void attributes_that_are_malformed(void **state)
{
    (void) state;
    static const char *const cases[] = {"<a x=1/>", "<a x/>", "<a x='&bad;'/>", "<a ='1'/>"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_ARENA struct arena arena;
        struct xml_reader r;
        struct str name, value;
        arena_init(&arena, 1 << 16);
        xml_reader_init(&r, str_from(cases[i]), &arena);
        assert_int_equal(xml_next(&r), XML_OPEN);
        assert_int_equal(xml_attribute_next(&r, &name, &value), -EINVAL);
    }
}

/* Nothing can be declared, so nothing can be expanded or fetched. */
static void documents_with_a_dtd(void **state)
{
    (void) state;
    refuses("<!DOCTYPE a><a/>");
    refuses("<!DOCTYPE a [<!ENTITY b \"bbbb\">]><a>&b;</a>");
    refuses("<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>");
}

static void depth_is_bounded(void **state)
{
    (void) state;
    char deep[(XML_DEPTH_MAX + 1) * 3 + 1] = "";
    for (size_t i = 0; i <= XML_DEPTH_MAX; i++)
        memcpy(deep + 3 * i, "<a>", 4);
    refuses(deep);
}

static void skipping(void **state)
{
    (void) state;
    AUTO_ARENA struct arena arena;
    struct xml_reader r;
    arena_init(&arena, 1 << 20);
    xml_reader_init(&r, STR("<a><b><c/>x</b><d/></a>"), &arena);
    assert_int_equal(xml_next(&r), XML_OPEN);
    assert_int_equal(xml_next(&r), XML_OPEN);
    assert_true(xml_skip(&r));
    assert_int_equal(xml_next(&r), XML_OPEN);
    assert_str(r.name, "d");
    assert_true(xml_skip(&r));
    assert_int_equal(xml_next(&r), XML_CLOSE);
    assert_int_equal(xml_next(&r), XML_END);
    xml_reader_init(&r, STR("<a><b></c></a>"), &arena);
    assert_int_equal(xml_next(&r), XML_OPEN);
    assert_false(xml_skip(&r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_and_text),
        cmocka_unit_test(entities_and_cdata),
        cmocka_unit_test(what_is_not_well_formed),
        cmocka_unit_test(documents_with_a_dtd),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(skipping),
        cmocka_unit_test(attributes_that_are_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
