#pragma once
/* TLS for a server: who it is (tls_identity), and with server_set_tls its listeners answer a TLS
 * handshake where one begins, on the same port as plain HTTP.
 *
 * OpenSSL appears in tls.c and tls_identity.c only. */
#include "net/server.h"

struct tls_identity;

/* From PEM files: a chain, the server's own certificate first, and its key. They are checked at
 * once. errors: of reading; -EINVAL they do not parse or fit. thread: any that may block. */
CHECK_RESULT int tls_identity_load(const char *cert_path, const char *key_path,
                                   struct tls_identity **out_identity, struct err *err);

/* A self-signed one for localhost and the names that lead there, from `dir` (made when missing):
 * cert.pem and key.pem (0600). Made anew when missing or in its last month; clients that trust a
 * copy of cert.pem need the new one then. now_ms: UTC. errors: of the files; -EIO of OpenSSL. */
CHECK_RESULT int tls_identity_self_made(const char *dir, int64_t now_ms,
                                        struct tls_identity **out_identity, struct err *err);
void tls_identity_free(struct tls_identity *identity); /* after the servers that use it */

/* identity: borrowed, shared by the servers of all loops. Before server_listen. */
void server_set_tls(struct server *server, const struct tls_identity *identity);
