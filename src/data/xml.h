#pragma once
/* XML 1.0: a pull reader over a byte view. Elements, attributes, text, CDATA, comments, processing
 * instructions and the five named and all numeric entities; documents with a DTD are refused, so
 * nothing can be declared, included or expanded. Input must be UTF-8; depth is limited to
 * XML_DEPTH_MAX. Errors are sticky. thread: the owner of the reader. */
#include "base/arena.h"

enum { XML_DEPTH_MAX = 128 };

enum xml_token {
    XML_ERROR, /* r.error says why */
    XML_END,   /* the root element is closed, nothing but blanks and comments follows */
    XML_OPEN,  /* r.name: without prefix; r.attributes for xml_attribute_next */
    XML_CLOSE, /* r.name */
    XML_TEXT,  /* r.text: decoded, never empty */
};

struct xml_reader {
    struct str input; /* borrowed */
    size_t at;
    struct arena *arena;               /* for text with entities */
    struct str name, text, attributes; /* of the current token */
    struct str open[XML_DEPTH_MAX];    /* names as written, for matching the end tags */
    unsigned depth;
    bool is_self_closed; /* the next token is the XML_CLOSE of <name/> */
    bool has_root;
    const char *error; /* NULL or a literal */
};

void xml_reader_init(struct xml_reader *r, struct str input, struct arena *arena);
enum xml_token xml_next(struct xml_reader *r);
/* Reads on behind the end of the element whose XML_OPEN was the last token. False on an error. */
bool xml_skip(struct xml_reader *r);
/* The next attribute of r.attributes, with its prefix ("xsi:type") and its value decoded. 0: none
 * left, 1, or -EINVAL. */
CHECK_RESULT int xml_attribute_next(struct xml_reader *r, struct str *out_name,
                                    struct str *out_value);
