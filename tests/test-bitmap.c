/*
 * test-bitmap.c: which of QEMU's nodes has which dirty bitmap of a linked disk
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "qemu_lukshdr/bitmap-json.h"

/* vda is a linked disk with a payload in qcow2 that has a bitmap, and one of a job is on its luks node; vdb has a plain
 * qcow2; vdc attached LUKS in qcow2; vdd is linked and raw; vde begins at another offset than its payload */
static const char nodes[] =
    "[{'node-name':'libvirt-1-format','drv':'luks','image':{'virtual-size':4096},"
    "  'dirty-bitmaps':[{'name':'job','persistent':false}]},"
    " {'node-name':'libvirt-1-payload','drv':'qcow2','image':{'virtual-size':4096},"
    "  'dirty-bitmaps':[{'name':'one','persistent':true,'inconsistent':true}]},"
    " {'node-name':'libvirt-2-format','drv':'qcow2','image':{'virtual-size':4096},"
    "  'dirty-bitmaps':[{'name':'one','persistent':true}]},"
    " {'node-name':'libvirt-3-format','drv':'luks','image':{'virtual-size':4096}},"
    " {'node-name':'libvirt-4-format','drv':'luks','image':{'virtual-size':4096}},"
    " {'node-name':'libvirt-4-payload','drv':'qcow2','image':{'virtual-size':8192},"
    "  'dirty-bitmaps':[{'name':'one','persistent':true}]},"
    " {'node-name':'libvirt-5-format','drv':'luks','image':{'virtual-size':4096}},"
    " {'node-name':'libvirt-5-payload','drv':'qcow2','image':{'virtual-size':4096}},"
    " {'drv':'file','image':{}}, {'node-name':'libvirt-6-payload','drv':'qcow2'}, 7]";

static JsonNode *
testParse(const char *text)
{
    g_autofree char *quoted = g_strdelimit(g_strdup(text), "'", '"');
    g_autoptr(GError) error = NULL;
    JsonNode *node = json_from_string(quoted, &error);

    g_assert_no_error(error);
    return node;
}

static void
testEqual(JsonNode *node, const char *expected)
{
    g_autoptr(JsonNode) wanted = testParse(expected);
    g_autofree char *got = json_to_string(node, FALSE);
    g_autofree char *want = json_to_string(wanted, FALSE);

    g_assert_cmpstr(got, ==, want);
}

static void
testShow(void)
{
    g_autoptr(JsonNode) root = testParse(nodes);
    JsonArray *array = json_node_get_array(root);

    g_assert_true(lukshdrQemuBitmapsShow(array));
    testEqual(json_array_get_element(array, 0),
              "{'node-name':'libvirt-1-format','drv':'luks','image':{'virtual-size':4096},"
              "'dirty-bitmaps':[{'name':'job','persistent':false},"
              "{'name':'one','persistent':true,'inconsistent':true}]}");
    /* of another capacity */
    testEqual(json_array_get_element(array, 4),
              "{'node-name':'libvirt-4-format','drv':'luks','image':{'virtual-size':4096}}");
    /* without bitmaps */
    testEqual(json_array_get_element(array, 6),
              "{'node-name':'libvirt-5-format','drv':'luks','image':{'virtual-size':4096}}");
}

/* a guest without linked disks is not touched */
static void
testPlain(void)
{
    static const char text[] = "[{'node-name':'libvirt-1-format','drv':'qcow2','image':"
                               "{'virtual-size':4096},'dirty-bitmaps':[{'name':'one'}]},"
                               "{'node-name':'libvirt-1-payload','drv':'qcow2','image':"
                               "{'virtual-size':4096},'dirty-bitmaps':[{'name':'two'}]}]";
    g_autoptr(JsonNode) root = testParse(text);

    g_assert_false(lukshdrQemuBitmapsShow(json_node_get_array(root)));
    testEqual(root, text);
    g_assert_null(lukshdrQemuBitmapsRead(json_node_get_array(root)));
}

typedef struct _testCase testCase;
struct _testCase {
    const char *name;
    const char *actions;
    const char *expected;
};

static const testCase cases[] = {
    { "stored",
      "[{'type':'block-dirty-bitmap-add','data':{'node':'libvirt-1-format','name':'two',"
      "'persistent':true,'disabled':false}}]",
      "[{'type':'block-dirty-bitmap-add','data':{'node':'libvirt-1-payload','name':'two',"
      "'persistent':true,'disabled':false}}]" },
    { "of-a-job",
      "[{'type':'block-dirty-bitmap-add','data':{'node':'libvirt-1-format','name':'two',"
      "'persistent':false}}]",
      "[{'type':'block-dirty-bitmap-add','data':{'node':'libvirt-1-format','name':'two',"
      "'persistent':false}}]" },
    /* a name is taken on either node */
    { "taken-below",
      "[{'type':'block-dirty-bitmap-add','data':{'node':'libvirt-1-format',"
      "'name':'one'}}]",
      "[{'type':'block-dirty-bitmap-add','data':{'node':'libvirt-1-payload','name':'one'}}]" },
    { "taken-above",
      "[{'type':'block-dirty-bitmap-add','data':{'node':'libvirt-1-format',"
      "'name':'job','persistent':true}}]",
      "[{'type':'block-dirty-bitmap-add','data':{'node':'libvirt-1-format','name':'job',"
      "'persistent':true}}]" },
    { "removed",
      "[{'type':'block-dirty-bitmap-remove','data':{'node':'libvirt-1-format','name':'one'}},"
      "{'type':'block-dirty-bitmap-remove','data':{'node':'libvirt-1-format','name':'job'}},"
      "{'type':'block-dirty-bitmap-remove','data':{'node':'libvirt-1-format','name':'no'}}]",
      "[{'type':'block-dirty-bitmap-remove','data':{'node':'libvirt-1-payload','name':'one'}},"
      "{'type':'block-dirty-bitmap-remove','data':{'node':'libvirt-1-format','name':'job'}},"
      "{'type':'block-dirty-bitmap-remove','data':{'node':'libvirt-1-format','name':'no'}}]" },
    { "switched",
      "[{'type':'block-dirty-bitmap-disable','data':{'node':'libvirt-1-format','name':'one'}},"
      "{'type':'block-dirty-bitmap-enable','data':{'node':'libvirt-1-format','name':'job'}}]",
      "[{'type':'block-dirty-bitmap-disable','data':{'node':'libvirt-1-payload','name':'one'}},"
      "{'type':'block-dirty-bitmap-enable','data':{'node':'libvirt-1-format','name':'job'}}]" },
    /* an incremental backup */
    { "backup",
      "[{'type':'block-dirty-bitmap-add','data':{'node':'libvirt-1-format','name':'backup-vda',"
      "'persistent':false,'disabled':true}},"
      "{'type':'block-dirty-bitmap-merge','data':{'node':'libvirt-1-format','target':'backup-vda',"
      "'bitmaps':[{'node':'libvirt-2-format','name':'one'},{'node':'libvirt-1-format','name':'one'}]}},"
      "{'type':'block-dirty-bitmap-add','data':{'node':'libvirt-1-format','name':'two',"
      "'persistent':true}},"
      "{'type':'blockdev-backup','data':{'device':'libvirt-1-format','bitmap':'backup-vda'}}]",
      "[{'type':'block-dirty-bitmap-add','data':{'node':'libvirt-1-format','name':'backup-vda',"
      "'persistent':false,'disabled':true}},"
      "{'type':'block-dirty-bitmap-merge','data':{'node':'libvirt-1-format','target':'backup-vda',"
      "'bitmaps':[{'node':'libvirt-2-format','name':'one'},{'node':'libvirt-1-payload','name':'one'}]}},"
      "{'type':'block-dirty-bitmap-add','data':{'node':'libvirt-1-payload','name':'two',"
      "'persistent':true}},"
      "{'type':'blockdev-backup','data':{'device':'libvirt-1-format','bitmap':'backup-vda'}}]" },
    /* what a transaction makes, it goes on with */
    { "in-one",
      "[{'type':'block-dirty-bitmap-add','data':{'node':'libvirt-5-format','name':'new',"
      "'persistent':true}},"
      "{'type':'block-dirty-bitmap-merge','data':{'node':'libvirt-5-format','target':'new',"
      "'bitmaps':[{'node':'libvirt-1-format','name':'job'},{'node':'libvirt-1-format','name':'one'}]}},"
      "{'type':'block-dirty-bitmap-remove','data':{'node':'libvirt-1-format','name':'one'}},"
      "{'type':'block-dirty-bitmap-add','data':{'node':'libvirt-1-format','name':'one',"
      "'persistent':false}},"
      "{'type':'block-dirty-bitmap-disable','data':{'node':'libvirt-1-format','name':'one'}}]",
      "[{'type':'block-dirty-bitmap-add','data':{'node':'libvirt-5-payload','name':'new',"
      "'persistent':true}},"
      "{'type':'block-dirty-bitmap-merge','data':{'node':'libvirt-5-payload','target':'new',"
      "'bitmaps':[{'node':'libvirt-1-format','name':'job'},{'node':'libvirt-1-payload','name':'one'}]}},"
      "{'type':'block-dirty-bitmap-remove','data':{'node':'libvirt-1-payload','name':'one'}},"
      "{'type':'block-dirty-bitmap-add','data':{'node':'libvirt-1-format','name':'one',"
      "'persistent':false}},"
      "{'type':'block-dirty-bitmap-disable','data':{'node':'libvirt-1-format','name':'one'}}]" },
    /* sources by their names alone are the target's node's */
    { "short-sources",
      "[{'type':'block-dirty-bitmap-merge','data':{'node':'libvirt-1-format','target':'one',"
      "'bitmaps':['job','one']}}]",
      "[{'type':'block-dirty-bitmap-merge','data':{'node':'libvirt-1-payload','target':'one',"
      "'bitmaps':[{'node':'libvirt-1-format','name':'job'},"
      "{'node':'libvirt-1-payload','name':'one'}]}}]" },
    /* neither linked disks without a place for bitmaps nor other disks; nor what is no action */
    { "others",
      "[{'type':'block-dirty-bitmap-add','data':{'node':'libvirt-2-format','name':'two',"
      "'persistent':true}},"
      "{'type':'block-dirty-bitmap-add','data':{'node':'libvirt-3-format','name':'two',"
      "'persistent':true}},"
      "{'type':'block-dirty-bitmap-add','data':{'node':'libvirt-4-format','name':'two',"
      "'persistent':true}},"
      "{'type':'block-dirty-bitmap-remove','data':{'node':'libvirt-4-format','name':'one'}},"
      "{'type':'block-dirty-bitmap-add','data':{'name':'two','persistent':true}},"
      "{'type':'block-dirty-bitmap-merge','data':{'bitmaps':7}},"
      "{'type':'blockdev-snapshot','data':{'node':'libvirt-1-format','overlay':'libvirt-2-format'}},"
      "{'type':'block-dirty-bitmap-remove'},{'data':{}},7]",
      NULL },
};

static void
testRedirect(gconstpointer opaque)
{
    const testCase *test = opaque;
    g_autoptr(JsonNode) root = testParse(nodes);
    g_autoptr(JsonNode) actions = testParse(test->actions);
    g_autoptr(lukshdrQemuBitmaps) bitmaps = lukshdrQemuBitmapsRead(json_node_get_array(root));

    g_assert_nonnull(bitmaps);
    g_assert_true(lukshdrQemuBitmapsNamed(json_node_get_array(actions)));
    lukshdrQemuBitmapsRedirect(bitmaps, json_node_get_array(actions));
    testEqual(actions, test->expected ? test->expected : test->actions);
}

static void
testNamed(void)
{
    g_autoptr(JsonNode)
        none = testParse("[{'type':'blockdev-snapshot','data':{'node':'libvirt-1-format'}},{},7]");

    g_assert_false(lukshdrQemuBitmapsNamed(json_node_get_array(none)));
}

/* what is stored comes from the payload's node, and to it; what libvirt merged for the migration from
 * the luks node */
static void
testMapping(void)
{
    g_autoptr(JsonNode) root = testParse(nodes);
    g_autoptr(lukshdrQemuBitmaps) bitmaps = lukshdrQemuBitmapsRead(json_node_get_array(root));
    g_autoptr(JsonNode) params = testParse(
        "{'block-bitmap-mapping':["
        "{'node-name':'libvirt-1-format','alias':'vda','bitmaps':[{'name':'one','alias':'a'}]},"
        "{'node-name':'libvirt-2-format','alias':'vdb','bitmaps':[{'name':'one','alias':'a'}]},"
        "{'node-name':'libvirt-5-format','alias':'vde','bitmaps':[{'name':'new','alias':'a'}]}]}");
    static const char merged[] =
        "{'block-bitmap-mapping':["
        "{'node-name':'libvirt-1-format','alias':'vda','bitmaps':[{'name':'job','alias':'a'}]},7]}";
    g_autoptr(JsonNode) other = testParse(merged);
    g_autoptr(JsonNode) none = testParse("{'downtime-limit':300}");

    g_assert_true(lukshdrQemuBitmapsRedirectMapping(bitmaps, json_node_get_object(params)));
    testEqual(
        params,
        "{'block-bitmap-mapping':["
        "{'node-name':'libvirt-1-payload','alias':'vda','bitmaps':[{'name':'one','alias':'a'}]},"
        "{'node-name':'libvirt-2-format','alias':'vdb','bitmaps':[{'name':'one','alias':'a'}]},"
        "{'node-name':'libvirt-5-payload','alias':'vde','bitmaps':[{'name':'new','alias':'a'}]}]}");
    g_assert_false(lukshdrQemuBitmapsRedirectMapping(bitmaps, json_node_get_object(other)));
    testEqual(other, merged);
    g_assert_false(lukshdrQemuBitmapsRedirectMapping(bitmaps, json_node_get_object(none)));
}

int
main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/bitmap/show", testShow);
    g_test_add_func("/bitmap/plain", testPlain);
    g_test_add_func("/bitmap/named", testNamed);
    g_test_add_func("/bitmap/mapping", testMapping);
    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/bitmap/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], testRedirect);
    }
    return g_test_run();
}
