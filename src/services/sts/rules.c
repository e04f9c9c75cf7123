/* Who a caller is, from the ARN of the principal:
 *
 *     arn:aws:iam::ACCOUNT:root                         ACCOUNT
 *     arn:aws:iam::ACCOUNT:user/PATH/NAME               AIDA…
 *     arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION    AROA…:SESSION
 *     arn:aws:sts::ACCOUNT:federated-user/NAME          ACCOUNT:NAME
 *
 * The unique ids of users and roles are four letters for the kind and 17 more. Ours are a hash of
 * the account and the name: the same whenever they are asked for, without a table of them.
 * source: AWS IAM user guide, "IAM identifiers" (unique IDs); STS API, GetCallerIdentity. */
#include "services/sts/rules.h"

#include "data/arn.h"
#include "data/hash.h"

#include <errno.h>

enum { UNIQUE_LETTERS = 17 };

/* kind and the hash of account and name in the letters of base 32. */
static struct str unique_id(struct arena *arena, const char *kind, struct str account,
                            struct str name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    unsigned char hash[SHA256_SIZE];
    char id[UNIQUE_LETTERS];
    struct str text =
        arena_printf(arena, "%s/" STR_FMT "/" STR_FMT, kind, STR_ARG(account), STR_ARG(name));
    if (text.ptr == NULL)
        return text;
    hash_sha256(text, hash);
    for (size_t i = 0; i < UNIQUE_LETTERS; i++)
        id[i] = letters[hash[i] & 31];
    return arena_printf(arena, "%s%.*s", kind, UNIQUE_LETTERS, id);
}

static struct str user_id(struct arena *arena, struct str account, struct str resource)
{
    struct str rest = resource, kind, name;
    (void) str_split(&rest, '/', &kind); /* the first part is always there */
    if (str_eq(kind, STR("user")))
        return unique_id(arena, "AIDA", account, rest.ptr == NULL ? STR("") : rest);
    if (str_eq(kind, STR("federated-user")) && rest.ptr != NULL)
        return arena_printf(arena, STR_FMT ":" STR_FMT, STR_ARG(account), STR_ARG(rest));
    if (!str_eq(kind, STR("assumed-role")) || !str_split(&rest, '/', &name) || rest.ptr == NULL)
        return account;
    struct str role = unique_id(arena, "AROA", account, name);
    if (role.ptr == NULL)
        return role;
    return arena_printf(arena, STR_FMT ":" STR_FMT, STR_ARG(role), STR_ARG(rest));
}

int sts_identify(struct arena *arena, const struct op_caller *caller,
                 struct sts_identity *out_identity)
{
    struct arn arn;
    struct sts_identity identity = {caller->account, caller->account, caller->principal};
    if (caller->principal.ptr == NULL || arn_parse(caller->principal, &arn) < 0)
        identity.arn =
            arena_printf(arena, "arn:aws:iam::" STR_FMT ":root", STR_ARG(caller->account));
    else
        identity.user_id = user_id(arena, caller->account, arn.resource);
    if (identity.arn.ptr == NULL || identity.user_id.ptr == NULL)
        return -E2BIG;
    *out_identity = identity;
    return 0;
}
