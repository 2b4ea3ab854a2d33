/*
 * secret-object.c: QEMU's secret objects
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "forms.h"
#include "util/error.h"

#define LUKSHDR_CHAIN_AES_BLOCK 16

static JsonObject *
lukshdrChainSecretNew(const char *id)
{
    JsonObject *object = json_object_new();

    json_object_set_string_member(object, "qom-type", "secret");
    json_object_set_string_member(object, "id", id);
    return object;
}

static JsonObject *
lukshdrChainSecretOfFile(const char *id, const char *format, const char *path)
{
    JsonObject *object = lukshdrChainSecretNew(id);

    json_object_set_string_member(object, "format", format);
    json_object_set_string_member(object, "file", path);
    return object;
}

JsonObject *
lukshdrChainSecretFile(const char *id, const char *path)
{
    return lukshdrChainSecretOfFile(id, "raw", path);
}

JsonObject *
lukshdrChainSecretKeyFile(const char *id, const char *path)
{
    return lukshdrChainSecretOfFile(id, "base64", path);
}

JsonObject *
lukshdrChainSecretClear(const char *id, const lukshdrSecret *secret)
{
    JsonObject *object = lukshdrChainSecretNew(id);
    char *text = g_base64_encode(lukshdrSecretData(secret), lukshdrSecretLength(secret));

    json_object_set_string_member(object, "format", "base64");
    json_object_set_string_member(object, "data", text);
    gnutls_memset(text, 0, strlen(text));
    g_free(text);
    return object;
}

static bool
lukshdrChainEncrypt(guint8 *data, size_t len, const guint8 *iv, const lukshdrSecret *key)
{
    gnutls_datum_t keyDatum = { (guint8 *)lukshdrSecretData(key), LUKSHDR_CHAIN_MASTER_KEY_LEN };
    gnutls_datum_t ivDatum = { (guint8 *)iv, LUKSHDR_CHAIN_AES_BLOCK };
    gnutls_cipher_hd_t cipher;
    int rc;

    if (gnutls_cipher_init(&cipher, GNUTLS_CIPHER_AES_256_CBC, &keyDatum, &ivDatum) < 0)
        return false;
    rc = gnutls_cipher_encrypt(cipher, data, len);
    gnutls_cipher_deinit(cipher);
    return rc == 0;
}

JsonObject *
lukshdrChainSecretEncrypted(const char *id,
                            const lukshdrSecret *secret,
                            const char *keyID,
                            const lukshdrSecret *key,
                            GError **error)
{
    size_t len = lukshdrSecretLength(secret);
    /* at least one byte, which says how many */
    size_t pad = LUKSHDR_CHAIN_AES_BLOCK - len % LUKSHDR_CHAIN_AES_BLOCK;
    g_autofree guint8 *data = g_malloc(len + pad);
    g_autofree char *dataText = NULL;
    g_autofree char *ivText = NULL;
    guint8 iv[LUKSHDR_CHAIN_AES_BLOCK];
    JsonObject *object;

    memcpy(data, lukshdrSecretData(secret), len);
    memset(data + len, (int)pad, pad);

    if (gnutls_rnd(GNUTLS_RND_NONCE, iv, sizeof(iv)) < 0 ||
        !lukshdrChainEncrypt(data, len + pad, iv, key)) {
        gnutls_memset(data, 0, len + pad);
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_INTERNAL_ERROR,
                            "GnuTLS cannot encrypt with AES-256-CBC");
        return NULL;
    }

    dataText = g_base64_encode(data, len + pad);
    ivText = g_base64_encode(iv, sizeof(iv));
    object = lukshdrChainSecretNew(id);
    json_object_set_string_member(object, "keyid", keyID);
    json_object_set_string_member(object, "iv", ivText);
    json_object_set_string_member(object, "format", "base64");
    json_object_set_string_member(object, "data", dataText);
    return object;
}
