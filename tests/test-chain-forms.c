/*
 * test-chain-forms.c: the chain's further writings against tests/xml/chain-forms
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * NAME.* are made of the link tests/xml/chain/NAME.xml.  LUKSHDR_TEST_REGENERATE=1
 * writes them anew, to be read in the diff.
 */

#include <gnutls/crypto.h>
#include <string.h>

#include "chain/forms.h"
#include "chaintest.h"
#include "utiltest.h"

#define DIR "xml/chain-forms"

static void
testLines(const char *name, const char *suffix, char **lines)
{
    g_autofree char *joined = g_strjoinv("\n", lines);
    g_autofree char *text = g_strconcat(joined, "\n", NULL);

    utilTestGolden(DIR, name, suffix, text);
    g_strfreev(lines);
}

static void
testText(const char *name, const char *suffix, char *text)
{
    utilTestGolden(DIR, name, suffix, text);
    g_free(text);
}

static void
testForms(gconstpointer opaque)
{
    const char *name = opaque;
    g_autoptr(lukshdrLink) link = chainTestLink(name);
    g_autoptr(GError) error = NULL;
    g_autoptr(lukshdrChain) chain = lukshdrChainNew(link, "lukshdr-1", &error);
    g_autoptr(GPtrArray)
        secrets = g_ptr_array_new_with_free_func((GDestroyNotify)json_object_unref);
    g_autoptr(GPtrArray) auths = NULL;
    const lukshdrChainPlug plug = { secrets, "virtio-blk-pci", "lukshdr-1-disk", "pcie.0", "0x5",
                                    "s" };
    const lukshdrChainPlug least = { secrets, "virtio-blk-pci", "lukshdr-1-disk" };
    guint i;

    g_assert_no_error(error);
    g_ptr_array_add(secrets, lukshdrChainSecretFile("key", "/run/key"));
    g_ptr_array_add(secrets, lukshdrChainSecretFile(lukshdrChainGetKeySecret(chain), "/run/pass"));
    auths = lukshdrChainGetAuths(chain);
    for (i = 0; i < auths->len; i++) {
        const lukshdrChainAuth *auth = g_ptr_array_index(auths, i);
        g_autofree char *path = g_strdup_printf("/run/%s of %s", auth->secretUUID, auth->user);

        g_ptr_array_add(secrets, lukshdrChainSecretKeyFile(auth->id, path));
    }

    testLines(name, ".args", lukshdrChainToArgs(chain, &plug));
    testLines(name, ".least.args", lukshdrChainToArgs(chain, &least));
    testLines(name, ".qmp", lukshdrChainToQMP(chain, &plug));
    testLines(name, ".unplug.qmp", lukshdrChainToUnplug(chain, &plug));
    testText(name, ".commandline.xml", lukshdrChainToCommandline(chain, &plug));
    testText(name, ".disk.xml", lukshdrChainToDisk(link, "vdb", "virtio", NULL, false));
    testText(name, ".disk.ro.xml", lukshdrChainToDisk(link, "sda", "scsi", "s<1>", true));
    testText(name, ".dot", lukshdrChainToDot(chain));
    testText(name, ".tree", lukshdrChainToTree(chain, true));
    testText(name, ".ascii.tree", lukshdrChainToTree(chain, false));
}

/* What QEMU does with it: the padding says how much of the last block is not data */
static void
testEncrypted(void)
{
    static const guint8 zeroes[LUKSHDR_CHAIN_MASTER_KEY_LEN] = { 1, 2, 3 };
    static const char text[] = "a passphrase that is longer than two blocks are";
    g_autoptr(lukshdrSecret) key = lukshdrSecretNew(zeroes, sizeof(zeroes));
    size_t len;

    for (len = 1; len <= strlen(text); len++) {
        g_autoptr(lukshdrSecret) secret = lukshdrSecretNew((const guint8 *)text, len);
        g_autoptr(GError) error = NULL;
        g_autoptr(JsonObject) first = lukshdrChainSecretEncrypted("s", secret, "k", key, &error);
        g_autoptr(JsonObject) second = lukshdrChainSecretEncrypted("s", secret, "k", key, &error);
        g_autofree guint8 *data = NULL;
        g_autofree guint8 *iv = NULL;
        gnutls_datum_t keyDatum = { (guint8 *)zeroes, sizeof(zeroes) };
        gnutls_datum_t ivDatum;
        gnutls_cipher_hd_t cipher;
        gsize ivLen;
        gsize dataLen;

        g_assert_no_error(error);
        g_assert_cmpstr(json_object_get_string_member(first, "keyid"), ==, "k");
        g_assert_cmpstr(json_object_get_string_member(first, "iv"), !=,
                        json_object_get_string_member(second, "iv"));
        g_assert_cmpstr(json_object_get_string_member(first, "data"), !=,
                        json_object_get_string_member(second, "data"));

        data = g_base64_decode(json_object_get_string_member(first, "data"), &dataLen);
        iv = g_base64_decode(json_object_get_string_member(first, "iv"), &ivLen);
        g_assert_cmpuint(ivLen, ==, 16);
        ivDatum.data = iv;
        ivDatum.size = ivLen;
        g_assert_cmpint(gnutls_cipher_init(&cipher, GNUTLS_CIPHER_AES_256_CBC, &keyDatum, &ivDatum),
                        ==, 0);
        g_assert_cmpint(gnutls_cipher_decrypt(cipher, data, dataLen), ==, 0);
        gnutls_cipher_deinit(cipher);

        g_assert_cmpuint(data[dataLen - 1], >, 0);
        g_assert_cmpuint(data[dataLen - 1], <=, 16);
        g_assert_cmpmem(data, dataLen - data[dataLen - 1], text, len);
    }
}

static void
testClear(void)
{
    static const guint8 bytes[] = { 0, 255, '"', '\n' };
    g_autoptr(lukshdrSecret) secret = lukshdrSecretNew(bytes, sizeof(bytes));
    g_autoptr(JsonObject) object = lukshdrChainSecretClear("s", secret);
    g_autofree guint8 *data = NULL;
    gsize len;

    data = g_base64_decode(json_object_get_string_member(object, "data"), &len);
    g_assert_cmpmem(data, len, bytes, sizeof(bytes));
    g_assert_cmpstr(json_object_get_string_member(object, "format"), ==, "base64");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/chain/forms/qcow2", "qcow2", testForms);
    g_test_add_data_func("/chain/forms/raw-block", "raw-block", testForms);
    g_test_add_data_func("/chain/forms/rbd-raw", "rbd-raw", testForms);
    g_test_add_data_func("/chain/forms/rbd-qcow2", "rbd-qcow2", testForms);
    g_test_add_data_func("/chain/forms/rbd-header", "rbd-header", testForms);
    g_test_add_data_func("/chain/forms/rbd-both", "rbd-both", testForms);
    g_test_add_data_func("/chain/forms/iscsi-both", "iscsi-both", testForms);
    g_test_add_data_func("/chain/forms/awkward-qcow2", "awkward-qcow2", testForms);
    g_test_add_func("/chain/forms/encrypted", testEncrypted);
    g_test_add_func("/chain/forms/clear", testClear);
    return g_test_run();
}
