#pragma once
/* XML of the protocols query and rest-xml, within this room. thread: any. */
#include "aws/value.h"

void xml_open(struct buf *out, struct str name);
void xml_close(struct buf *out, struct str name);
/* <name>escaped text</name> */
void xml_put_text(struct buf *out, struct str name, struct str text);
/* is_root: members that HTTP carries are left out. */
void xml_put_members(struct buf *out, const struct aws_shape *shape, const void *base,
                     bool is_root);
/* An error's members; its message is called Message, whatever the model calls it. */
void xml_put_error_members(struct buf *out, const struct aws_shape *shape, const void *base);
/* A document's root with the namespace of `names`, the shape or, failing those, the service. */
void xml_put_root(struct buf *out, struct str name, const struct aws_shape *shape,
                  const struct aws_names *names, struct str default_namespace, const void *base);
/* The only member of an unwrapped structure as the document's root; value NULL: an empty element.
 */
void xml_put_only(struct buf *out, const struct aws_member *member, struct str default_namespace,
                  const void *value);
/* What a member is called in XML and in forms. */
static inline struct str xml_name(const struct aws_member *member)
{
    const struct aws_names *names = member->names;
    return names != NULL && names->query.ptr != NULL ? names->query : member->wire;
}
/* What a shape is called as a document's root. */
static inline struct str xml_shape_name(const struct aws_shape *shape)
{
    bool is_named = shape->names != NULL && shape->names->xml_name.ptr != NULL;
    return is_named ? shape->names->xml_name : shape->name;
}
