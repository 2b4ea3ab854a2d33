/*
 * iscsi.c: a unit of an iSCSI target, asked through libiscsi
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * All is asked asynchronously, and one loop waits for it until the deadline: the library's own
 * waiting has none for the connection itself.
 */

#include "config.h"

#include "iscsi.h"

#include <dlfcn.h>
#include <errno.h>
#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "auth.h"
#include "scsi.h"
#include "util/error.h"

/* What QEMU calls itself where nobody says otherwise (get_initiator_name in its block/iscsi.c), without the name
 * of the guest */
#define LUKSHDR_ISCSI_INITIATOR "iqn.2008-11.org.linux-kvm"

/* bytes of a vital product data page that are asked for */
#define LUKSHDR_ISCSI_PAGE 1024
#define LUKSHDR_ISCSI_PAGE_IDENTIFICATION 0x83
#define LUKSHDR_ISCSI_PAGE_SERIAL 0x80

/* bytes of one request: any target takes that */
#define LUKSHDR_ISCSI_CHUNK (64 * 1024)

/* milliseconds before a unit that is busy, or reserved, is asked again */
#define LUKSHDR_ISCSI_RETRY 100

/* RFC 7143, 11.13.5: class and detail of a login's status */
#define LUKSHDR_ISCSI_LOGIN_AUTHENTICATION 0x0201
#define LUKSHDR_ISCSI_LOGIN_AUTHORIZATION 0x0202
#define LUKSHDR_ISCSI_LOGIN_NOT_FOUND 0x0203
#define LUKSHDR_ISCSI_LOGIN_REMOVED 0x0204

/* All that is needed of the library, by its own prototypes */
#define LUKSHDR_ISCSI_LIBISCSI(X) \
    X(iscsi_create_context) \
    X(iscsi_destroy_context) \
    X(iscsi_full_connect_async) \
    X(iscsi_get_error) \
    X(iscsi_get_fd) \
    X(iscsi_inquiry_task) \
    X(iscsi_logout_async) \
    X(iscsi_read10_task) \
    X(iscsi_readcapacity10_task) \
    X(iscsi_readcapacity16_task) \
    X(iscsi_reserve6_task) \
    X(iscsi_service) \
    X(iscsi_set_header_digest) \
    X(iscsi_set_initiator_username_pwd) \
    X(iscsi_set_noautoreconnect) \
    X(iscsi_set_session_type) \
    X(iscsi_set_targetname) \
    X(iscsi_synchronizecache10_task) \
    X(iscsi_which_events) \
    X(iscsi_write10_task) \
    X(scsi_free_scsi_task)

#define LUKSHDR_ISCSI_MEMBER(name) __typeof__(&(name)) name;

/* Set by lukshdrISCSILoad, once, and read-only from then on */
static struct {
    LUKSHDR_ISCSI_LIBISCSI(LUKSHDR_ISCSI_MEMBER)
} lukshdrISCSIAPI;

struct _lukshdrISCSI {
    struct iscsi_context *context;
    char *where; /* for messages */
    char *target;
    int lun;
    guint64 blocks;
    guint32 blockSize; /* bytes */
    gint64 deadline;   /* monotonic, microseconds */
    /* of the request under way: the library calls back with this, at the latest when the context is destroyed */
    bool done;
    int status;
    struct scsi_task *task;
    lukshdrIdentity identity;
    GStrv names;
};

static bool
lukshdrISCSILoad(GError **error)
{
    static gsize loaded;

    if (g_once_init_enter(&loaded)) {
        void *library = dlopen(LUKSHDR_LIBISCSI, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        bool ok = library;

#define LUKSHDR_ISCSI_FIND(name) \
    ok = ok && (lukshdrISCSIAPI.name = (__typeof__(&(name)))dlsym(library, #name));
        LUKSHDR_ISCSI_LIBISCSI(LUKSHDR_ISCSI_FIND)
        g_once_init_leave(&loaded, ok ? 1 : 2);
    }

    if (loaded == 1)
        return true;
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                _("'%s' is not installed: install the libiscsi that this plugin was built with"),
                LUKSHDR_LIBISCSI);
    return false;
}

static void
lukshdrISCSIStart(lukshdrISCSI *iscsi)
{
    iscsi->deadline = g_get_monotonic_time() + LUKSHDR_ISCSI_TIMEOUT * G_USEC_PER_SEC;
}

/* Milliseconds that are left, at least 0 */
static int
lukshdrISCSILeft(const lukshdrISCSI *iscsi)
{
    gint64 left = (iscsi->deadline - g_get_monotonic_time() + 999) / 1000;

    return MAX(left, 0);
}

static bool
lukshdrISCSISetTimeout(const lukshdrISCSI *iscsi, GError **error)
{
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_TIMEOUT,
                _("the iSCSI target of '%s' has not answered within %d seconds; see whether it "
                  "runs and can be reached from here, then try again"),
                iscsi->where, LUKSHDR_ISCSI_TIMEOUT);
    return false;
}

/* An iscsi_command_cb */
static void
lukshdrISCSIDone(struct iscsi_context *context, int status, void *data, void *opaque)
{
    lukshdrISCSI *iscsi = opaque;

    iscsi->status = status;
    iscsi->done = true;
}

/* Waits for the request under way.  What the library says of it is in @iscsi->status then.  Returns false
 * with @error set if the deadline passed or the connection broke. */
static bool
lukshdrISCSIWait(lukshdrISCSI *iscsi, GError **error)
{
    while (!iscsi->done) {
        struct pollfd pfd = { .fd = lukshdrISCSIAPI.iscsi_get_fd(iscsi->context) };
        int left = lukshdrISCSILeft(iscsi);
        int rc;

        if (left == 0)
            return lukshdrISCSISetTimeout(iscsi, error);
        pfd.events = lukshdrISCSIAPI.iscsi_which_events(iscsi->context);
        if (pfd.fd >= 0 && (rc = poll(&pfd, 1, left)) < 0 && errno != EINTR) {
            lukshdrErrorSetErrno(error, errno, _("Unable to ask the iSCSI target of '%s'"),
                                 iscsi->where);
            return false;
        }
        if (pfd.fd < 0 ||
            (pfd.revents && lukshdrISCSIAPI.iscsi_service(iscsi->context, pfd.revents) < 0)) {
            if (iscsi->done)
                break;
            g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_FAILED,
                        _("Unable to ask the iSCSI target of '%s': %s"), iscsi->where,
                        lukshdrISCSIAPI.iscsi_get_error(iscsi->context));
            return false;
        }
    }
    return true;
}

/* How a request to the unit is sent; NULL if it cannot be.  @opaque is the request's own. */
typedef struct scsi_task *(*lukshdrISCSISend)(lukshdrISCSI *iscsi, const void *opaque);

static void
lukshdrISCSIFreeTask(lukshdrISCSI *iscsi)
{
    if (iscsi->task)
        lukshdrISCSIAPI.scsi_free_scsi_task(iscsi->task);
    iscsi->task = NULL;
}

static bool
lukshdrISCSIIsAttention(const lukshdrISCSI *iscsi)
{
    return iscsi->status == SCSI_STATUS_CHECK_CONDITION &&
           iscsi->task->sense.key == SCSI_SENSE_UNIT_ATTENTION;
}

static bool
lukshdrISCSIIsBusy(const lukshdrISCSI *iscsi)
{
    return iscsi->status == SCSI_STATUS_BUSY || iscsi->status == SCSI_STATUS_TASK_SET_FULL ||
           iscsi->status == SCSI_STATUS_RESERVATION_CONFLICT;
}

/* Sends a request until the unit takes it, and waits for the answer: in @iscsi->status and @iscsi->task, which
 * lukshdrISCSIFreeTask frees.  @patient: also while another client has reserved the unit.  Returns false with
 * @error set if there is no answer. */
static bool
lukshdrISCSIAsk(lukshdrISCSI *iscsi,
                lukshdrISCSISend send,
                const void *opaque,
                bool patient,
                GError **error)
{
    /* of a request that was never answered */
    if (iscsi->task)
        return lukshdrISCSISetTimeout(iscsi, error);

    for (;;) {
        iscsi->done = false;
        if (!(iscsi->task = send(iscsi, opaque))) {
            g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_FAILED,
                        _("Unable to ask the iSCSI target of '%s': %s"), iscsi->where,
                        lukshdrISCSIAPI.iscsi_get_error(iscsi->context));
            return false;
        }
        if (!lukshdrISCSIWait(iscsi, error))
            return false; /* the task stays with the context */

        if (!lukshdrISCSIIsAttention(iscsi) && !(patient && lukshdrISCSIIsBusy(iscsi)))
            return true;
        /* what it says now is the reason, and not the deadline */
        if (lukshdrISCSILeft(iscsi) <= 2 * LUKSHDR_ISCSI_RETRY)
            return true;
        if (!lukshdrISCSIIsAttention(iscsi))
            g_usleep(LUKSHDR_ISCSI_RETRY * 1000);
        lukshdrISCSIFreeTask(iscsi);
    }
}

static void
lukshdrISCSISetStatus(const lukshdrISCSI *iscsi, GError **error)
{
    if (iscsi->status == SCSI_STATUS_RESERVATION_CONFLICT) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("iSCSI unit '%s' is reserved by another client of its target; try again "
                      "when that has ended, or end its session at the target"),
                    iscsi->where);
        return;
    }
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_FAILED,
                _("the iSCSI target refuses a request to unit '%s': %s"), iscsi->where,
                lukshdrISCSIAPI.iscsi_get_error(iscsi->context));
}

/* As lukshdrISCSIAsk, and fails if the unit does not do it */
static bool
lukshdrISCSIDo(lukshdrISCSI *iscsi, lukshdrISCSISend send, const void *opaque, GError **error)
{
    if (!lukshdrISCSIAsk(iscsi, send, opaque, true, error))
        return false;
    if (iscsi->status == SCSI_STATUS_GOOD)
        return true;
    lukshdrISCSISetStatus(iscsi, error);
    lukshdrISCSIFreeTask(iscsi);
    return false;
}

/* --- the name of the target's host --- */

typedef struct {
    GList *addresses;
    GError *error;
    bool done;
    bool late;
} lukshdrISCSILookup;

/* A GAsyncReadyCallback */
static void
lukshdrISCSIResolved(GObject *resolver, GAsyncResult *result, void *opaque)
{
    lukshdrISCSILookup *lookup = opaque;

    lookup->addresses = g_resolver_lookup_by_name_finish(G_RESOLVER(resolver), result,
                                                         &lookup->error);
    lookup->done = true;
}

/* A GSourceFunc */
static gboolean
lukshdrISCSILate(void *opaque)
{
    *(bool *)opaque = true;
    return G_SOURCE_REMOVE;
}

/* HOST or HOST:PORT as ADDRESS:PORT.  The system's resolver can wait longer than the deadline. */
static char *
lukshdrISCSIPortal(const lukshdrISCSI *iscsi, const char *server, GError **error)
{
    g_autoptr(GSocketConnectable)
        parsed = g_network_address_parse(server, lukshdrRemotePort(LUKSHDR_LOCATION_ISCSI), error);
    g_autoptr(GResolver) resolver = g_resolver_get_default();
    g_autoptr(GCancellable) cancel = g_cancellable_new();
    g_autoptr(GMainContext) context = NULL;
    g_autofree char *address = NULL;
    lukshdrISCSILookup lookup = { 0 };
    const char *host;
    GSource *timer;

    if (!parsed)
        return NULL;
    host = g_network_address_get_hostname(G_NETWORK_ADDRESS(parsed));
    if (!g_hostname_is_ip_address(host)) {
        context = g_main_context_new();
        timer = g_timeout_source_new(lukshdrISCSILeft(iscsi));
        g_source_set_callback(timer, lukshdrISCSILate, &lookup.late, NULL);
        g_source_attach(timer, context);
        g_main_context_push_thread_default(context);
        g_resolver_lookup_by_name_async(resolver, host, cancel, lukshdrISCSIResolved, &lookup);
        while (!lookup.done) {
            if (lookup.late)
                g_cancellable_cancel(cancel);
            g_main_context_iteration(context, TRUE);
        }
        g_main_context_pop_thread_default(context);
        g_source_destroy(timer);
        g_source_unref(timer);
        if (!lookup.addresses) {
            if (lookup.late) {
                g_clear_error(&lookup.error);
                (void)lukshdrISCSISetTimeout(iscsi, error);
            } else {
                g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_FAILED,
                            _("Unable to find the host of iSCSI unit '%s': %s"), iscsi->where,
                            lookup.error->message);
                g_clear_error(&lookup.error);
            }
            return NULL;
        }
        address = g_inet_address_to_string(lookup.addresses->data);
        g_resolver_free_addresses(lookup.addresses);
    } else {
        address = g_strdup(host);
    }
    return g_strdup_printf(strchr(address, ':') ? "[%s]:%u" : "%s:%u", address,
                           g_network_address_get_port(G_NETWORK_ADDRESS(parsed)));
}

/* --- opening --- */

/* Says why there is no session.  The library tells a login's status in words, with its number in
 * parentheses at the end. */
static void
lukshdrISCSISetLogin(const lukshdrISCSI *iscsi, GError **error)
{
    const char *said = lukshdrISCSIAPI.iscsi_get_error(iscsi->context);
    const char *number = said ? strrchr(said, '(') : NULL;

    if (!said)
        said = "";
    switch (strstr(said, "log in") && number ? atoi(number + 1) : 0) {
    case LUKSHDR_ISCSI_LOGIN_AUTHENTICATION:
    case LUKSHDR_ISCSI_LOGIN_AUTHORIZATION:
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_AUTH_FAILED,
                    _("the iSCSI target refuses access to '%s': see whether the pool's <auth> and "
                      "its libvirt secret have the target's user and password, and what initiators "
                      "the target lets in"),
                    iscsi->where);
        return;
    case LUKSHDR_ISCSI_LOGIN_NOT_FOUND:
    case LUKSHDR_ISCSI_LOGIN_REMOVED:
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_NO_STORAGE_VOL,
                    _("there is no iSCSI target of '%s'"), iscsi->where);
        return;
    default:
        break;
    }
    if (strstr(said, "LOGICAL_UNIT_NOT_SUPPORTED")) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_NO_STORAGE_VOL,
                    _("the iSCSI target has no unit '%s'"), iscsi->where);
        return;
    }
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_FAILED,
                _("Unable to open iSCSI unit '%s': %s"), iscsi->where, said);
}

static bool
lukshdrISCSILogin(lukshdrISCSI *iscsi,
                  const lukshdrRemote *remote,
                  const lukshdrSecret *key,
                  GError **error)
{
    g_autofree char *portal = remote->servers[0]
                                  ? lukshdrISCSIPortal(iscsi, remote->servers[0], error)
                                  : NULL;
    int rc;

    if (!remote->servers[0])
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INVALID_ARG,
                    _("nothing says which host has the iSCSI target of '%s'"), iscsi->where);
    if (!portal)
        return false;

    if (!(iscsi->context = lukshdrISCSIAPI.iscsi_create_context(
              remote->initiator ? remote->initiator : LUKSHDR_ISCSI_INITIATOR)))
        g_error("out of memory");

    lukshdrISCSIAPI.iscsi_set_noautoreconnect(iscsi->context, 1);
    /* a secret's bytes are followed by a NUL: lukshdrSecretNew maps whole pages, one byte more at least */
    if (lukshdrISCSIAPI.iscsi_set_session_type(iscsi->context, ISCSI_SESSION_NORMAL) < 0 ||
        lukshdrISCSIAPI.iscsi_set_header_digest(iscsi->context, ISCSI_HEADER_DIGEST_NONE_CRC32C) <
            0 ||
        lukshdrISCSIAPI.iscsi_set_targetname(iscsi->context, iscsi->target) < 0 ||
        (key && lukshdrISCSIAPI.iscsi_set_initiator_username_pwd(
                    iscsi->context, remote->user ? remote->user : "",
                    (const char *)lukshdrSecretData(key)) < 0) ||
        lukshdrISCSIAPI.iscsi_full_connect_async(iscsi->context, portal, iscsi->lun,
                                                 lukshdrISCSIDone, iscsi) < 0) {
        lukshdrISCSISetLogin(iscsi, error);
        return false;
    }
    rc = lukshdrISCSIWait(iscsi, error);
    /* overwrites the password (both are arrays that it pads with zeroes) */
    if (key)
        (void)lukshdrISCSIAPI.iscsi_set_initiator_username_pwd(iscsi->context, "", "");
    if (!rc)
        return false;
    if (iscsi->status == SCSI_STATUS_GOOD)
        return true;
    lukshdrISCSISetLogin(iscsi, error);
    return false;
}

static struct scsi_task *
lukshdrISCSISendCapacity10(lukshdrISCSI *iscsi, const void *opaque)
{
    return lukshdrISCSIAPI.iscsi_readcapacity10_task(iscsi->context, iscsi->lun, 0, 0,
                                                     lukshdrISCSIDone, iscsi);
}

static struct scsi_task *
lukshdrISCSISendCapacity16(lukshdrISCSI *iscsi, const void *opaque)
{
    return lukshdrISCSIAPI.iscsi_readcapacity16_task(iscsi->context, iscsi->lun, lukshdrISCSIDone,
                                                     iscsi);
}

/* @opaque is the number of a vital product data page; of 0, the standard INQUIRY */
static struct scsi_task *
lukshdrISCSISendInquiry(lukshdrISCSI *iscsi, const void *opaque)
{
    int page = *(const int *)opaque;

    return lukshdrISCSIAPI.iscsi_inquiry_task(iscsi->context, iscsi->lun, page != 0, page,
                                              page ? LUKSHDR_ISCSI_PAGE : 64, lukshdrISCSIDone,
                                              iscsi);
}

/* SBC-3, 5.15 and 5.16: the last block's number, and the length of blocks, most significant byte first */
static bool
lukshdrISCSIReadCapacity(lukshdrISCSI *iscsi, GError **error)
{
    const guint8 *data;
    guint64 last = 0;
    size_t wide;
    size_t i;

    if (!lukshdrISCSIDo(iscsi, lukshdrISCSISendCapacity10, NULL, error))
        return false;
    for (wide = 4;; wide = 8) {
        data = iscsi->task->datain.data;
        if (!data || iscsi->task->datain.size < (int)wide + 4)
            break;
        for (last = 0, i = 0; i < wide; i++)
            last = last << 8 | data[i];
        for (iscsi->blockSize = 0; i < wide + 4; i++)
            iscsi->blockSize = iscsi->blockSize << 8 | data[i];
        lukshdrISCSIFreeTask(iscsi);
        if (wide == 8 || last != G_MAXUINT32)
            break;
        if (!lukshdrISCSIDo(iscsi, lukshdrISCSISendCapacity16, NULL, error))
            return false;
    }
    lukshdrISCSIFreeTask(iscsi);
    iscsi->blocks = last + 1;

    if (iscsi->blockSize >= 512 && iscsi->blockSize <= LUKSHDR_ISCSI_CHUNK &&
        LUKSHDR_ISCSI_CHUNK % iscsi->blockSize == 0 &&
        iscsi->blocks <= G_MAXINT64 / iscsi->blockSize)
        return true;
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                _("iSCSI unit '%s' is no disk that can be used: its blocks have %u bytes"),
                iscsi->where, iscsi->blockSize);
    return false;
}

/* Sets @page to what the unit says, or to NULL if it has no such page */
static bool
lukshdrISCSIReadPage(lukshdrISCSI *iscsi, int number, GBytes **page, GError **error)
{
    const struct scsi_data *data;
    bool ok;

    *page = NULL;
    if (!lukshdrISCSIAsk(iscsi, lukshdrISCSISendInquiry, &number, true, error))
        return false;

    data = &iscsi->task->datain;
    if (iscsi->status == SCSI_STATUS_GOOD && data->data && data->size > 1 &&
        (number == 0 || data->data[1] == number))
        *page = g_bytes_new(data->data, data->size);
    ok = iscsi->status == SCSI_STATUS_GOOD || iscsi->status == SCSI_STATUS_CHECK_CONDITION;
    if (!ok)
        lukshdrISCSISetStatus(iscsi, error);
    lukshdrISCSIFreeTask(iscsi);
    return ok;
}

/* Copies a field of the standard INQUIRY (SPC-4, 6.4.2), which blanks fill */
static void
lukshdrISCSICopyField(char *text, size_t size, GBytes *inquiry, gsize offset)
{
    gsize len = 0;
    const char *data = inquiry ? g_bytes_get_data(inquiry, &len) : NULL;

    if (len >= offset + size - 1)
        memcpy(text, data + offset, size - 1);
    g_strchomp(text);
}

static bool
lukshdrISCSIExamine(lukshdrISCSI *iscsi, GError **error)
{
    g_auto(lukshdrScsiPages) pages = { 0 };
    g_autoptr(GBytes) inquiry = NULL;
    g_autofree char *name = NULL;
    bool unique;

    if (!lukshdrISCSIReadCapacity(iscsi, error) ||
        !lukshdrISCSIReadPage(iscsi, 0, &inquiry, error) ||
        !lukshdrISCSIReadPage(iscsi, LUKSHDR_ISCSI_PAGE_IDENTIFICATION, &pages.identification,
                              error) ||
        !lukshdrISCSIReadPage(iscsi, LUKSHDR_ISCSI_PAGE_SERIAL, &pages.serial, error))
        return false;
    lukshdrISCSICopyField(pages.vendor, sizeof(pages.vendor), inquiry, 8);
    lukshdrISCSICopyField(pages.product, sizeof(pages.product), inquiry, 16);

    if (!(name = lukshdrScsiName(&pages, &unique))) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("iSCSI unit '%s' does not say which it is (it has neither a device "
                      "identification nor a serial number), so it could not be known again: give "
                      "it one at the target"),
                    iscsi->where);
        return false;
    }
    lukshdrIdentitySetISCSI(&iscsi->identity, name, unique, iscsi->target,
                            iscsi->blocks * iscsi->blockSize);
    iscsi->names = lukshdrScsiKernelNames(&pages);
    return true;
}

lukshdrISCSI *
lukshdrISCSIOpen(const lukshdrRemote *remote, GError **error)
{
    g_autoptr(lukshdrISCSI) iscsi = g_new0(lukshdrISCSI, 1);
    g_autofree char *name = lukshdrRemoteISCSI(remote->name);
    g_autoptr(lukshdrSecret) key = NULL;
    char *slash = strrchr(name, '/');
    guint64 lun;

    iscsi->where = g_strdup(name);
    if (!g_ascii_string_to_unsigned(slash + 1, 10, 0, G_MAXUINT16, &lun, NULL)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INVALID_ARG,
                    _("'%s' is no name of an iSCSI unit: a number must follow the slash"), name);
        return NULL;
    }
    iscsi->target = g_strndup(name, slash - name);
    iscsi->lun = lun;

    if (!lukshdrISCSILoad(error) || !lukshdrAuthGet(remote, &key, error))
        return NULL;
    lukshdrISCSIStart(iscsi);
    return lukshdrISCSILogin(iscsi, remote, key, error) && lukshdrISCSIExamine(iscsi, error)
               ? g_steal_pointer(&iscsi)
               : NULL;
}

void
lukshdrISCSIClose(lukshdrISCSI *iscsi)
{
    if (!iscsi)
        return;

    /* Without a request under way, log out: the target frees the session, and a reservation, at once. */
    if (iscsi->context && iscsi->done && iscsi->status == SCSI_STATUS_GOOD) {
        lukshdrISCSIStart(iscsi);
        iscsi->done = false;
        if (lukshdrISCSIAPI.iscsi_logout_async(iscsi->context, lukshdrISCSIDone, iscsi) == 0)
            (void)lukshdrISCSIWait(iscsi, NULL);
    }
    if (iscsi->context)
        lukshdrISCSIAPI.iscsi_destroy_context(iscsi->context);
    lukshdrISCSIFreeTask(iscsi);
    g_free(iscsi->where);
    g_free(iscsi->target);
    g_strfreev(iscsi->names);
    g_free(iscsi);
}

void
lukshdrISCSIIdentity(const lukshdrISCSI *iscsi, lukshdrIdentity *identity)
{
    *identity = iscsi->identity;
}

const char *const *
lukshdrISCSIKernelNames(const lukshdrISCSI *iscsi)
{
    return (const char *const *)iscsi->names;
}

/* --- bytes --- */

typedef struct {
    guint32 block;
    guint32 len;  /* bytes, whole blocks */
    guint8 *data; /* to be written */
} lukshdrISCSITransfer;

static struct scsi_task *
lukshdrISCSISendRead(lukshdrISCSI *iscsi, const void *opaque)
{
    const lukshdrISCSITransfer *transfer = opaque;

    return lukshdrISCSIAPI.iscsi_read10_task(iscsi->context, iscsi->lun, transfer->block,
                                             transfer->len, iscsi->blockSize, 0, 0, 0, 0, 0,
                                             lukshdrISCSIDone, iscsi);
}

static struct scsi_task *
lukshdrISCSISendWrite(lukshdrISCSI *iscsi, const void *opaque)
{
    const lukshdrISCSITransfer *transfer = opaque;

    return lukshdrISCSIAPI.iscsi_write10_task(iscsi->context, iscsi->lun, transfer->block,
                                              transfer->data, transfer->len, iscsi->blockSize, 0, 0,
                                              0, 0, 0, lukshdrISCSIDone, iscsi);
}

static struct scsi_task *
lukshdrISCSISendFlush(lukshdrISCSI *iscsi, const void *opaque)
{
    return lukshdrISCSIAPI.iscsi_synchronizecache10_task(iscsi->context, iscsi->lun, 0, 0, 0, 0,
                                                         lukshdrISCSIDone, iscsi);
}

static struct scsi_task *
lukshdrISCSISendReserve(lukshdrISCSI *iscsi, const void *opaque)
{
    return lukshdrISCSIAPI.iscsi_reserve6_task(iscsi->context, iscsi->lun, lukshdrISCSIDone, iscsi);
}

/* Requests of this form know no blocks beyond; a header is at the start */
static bool
lukshdrISCSICheckRange(const lukshdrISCSI *iscsi, guint64 offset, gsize len, GError **error)
{
    if ((offset + len) / iscsi->blockSize < G_MAXUINT32)
        return true;
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INVALID_ARG,
                _("Unable to ask the iSCSI target of '%s': %s"), iscsi->where,
                g_strerror(EOVERFLOW));
    return false;
}

gssize
lukshdrISCSIRead(lukshdrISCSI *iscsi, void *buf, gsize len, guint64 offset, GError **error)
{
    guint64 size = iscsi->identity.size;
    gsize done = 0;

    len = offset < size ? MIN(len, size - offset) : 0;
    if (!lukshdrISCSICheckRange(iscsi, offset, len, error))
        return -1;
    lukshdrISCSIStart(iscsi);
    while (done < len) {
        guint64 at = offset + done;
        gsize skip = at % iscsi->blockSize;
        gsize want = MIN(skip + len - done, LUKSHDR_ISCSI_CHUNK);
        lukshdrISCSITransfer transfer = {
            .block = at / iscsi->blockSize,
            .len = (want + iscsi->blockSize - 1) / iscsi->blockSize * iscsi->blockSize,
        };
        gsize got;

        if (!lukshdrISCSIDo(iscsi, lukshdrISCSISendRead, &transfer, error))
            return -1;
        got = iscsi->task->datain.data ? (gsize)MAX(iscsi->task->datain.size, 0) : 0;
        if (got < transfer.len) {
            lukshdrISCSIFreeTask(iscsi);
            g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_FAILED,
                        _("the iSCSI target gives less of unit '%s' than it has"), iscsi->where);
            return -1;
        }
        memcpy((guint8 *)buf + done, iscsi->task->datain.data + skip, want - skip);
        lukshdrISCSIFreeTask(iscsi);
        done += want - skip;
    }
    return done;
}

bool
lukshdrISCSIWrite(lukshdrISCSI *iscsi, const void *buf, gsize len, guint64 offset, GError **error)
{
    gsize done;

    if (offset % iscsi->blockSize || len % iscsi->blockSize || offset > iscsi->identity.size ||
        len > iscsi->identity.size - offset) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INVALID_ARG,
                    _("Unable to write to iSCSI unit '%s': its blocks have %u bytes, and it has "
                      "%llu"),
                    iscsi->where, iscsi->blockSize, (unsigned long long)iscsi->identity.size);
        return false;
    }
    if (!lukshdrISCSICheckRange(iscsi, offset, len, error))
        return false;

    lukshdrISCSIStart(iscsi);
    for (done = 0; done < len; done += LUKSHDR_ISCSI_CHUNK) {
        lukshdrISCSITransfer transfer = {
            .block = (offset + done) / iscsi->blockSize,
            .len = MIN(len - done, LUKSHDR_ISCSI_CHUNK),
            .data = (guint8 *)buf + done, /* only read */
        };

        if (!lukshdrISCSIDo(iscsi, lukshdrISCSISendWrite, &transfer, error))
            return false;
        lukshdrISCSIFreeTask(iscsi);
    }
    return true;
}

bool
lukshdrISCSIFlush(lukshdrISCSI *iscsi, GError **error)
{
    bool ok;

    lukshdrISCSIStart(iscsi);
    if (!lukshdrISCSIAsk(iscsi, lukshdrISCSISendFlush, NULL, true, error))
        return false;
    /* a unit without a cache need not know the request */
    ok = iscsi->status == SCSI_STATUS_GOOD ||
         (iscsi->status == SCSI_STATUS_CHECK_CONDITION &&
          iscsi->task->sense.ascq == SCSI_SENSE_ASCQ_INVALID_OPERATION_CODE);
    if (!ok)
        lukshdrISCSISetStatus(iscsi, error);
    lukshdrISCSIFreeTask(iscsi);
    return ok;
}

bool
lukshdrISCSILock(lukshdrISCSI *iscsi, bool *held, GError **error)
{
    bool ok;

    lukshdrISCSIStart(iscsi);
    if (!lukshdrISCSIAsk(iscsi, lukshdrISCSISendReserve, NULL, false, error))
        return false;
    *held = lukshdrISCSIIsBusy(iscsi);
    ok = iscsi->status == SCSI_STATUS_GOOD || *held;
    if (!ok && iscsi->status == SCSI_STATUS_CHECK_CONDITION &&
        iscsi->task->sense.ascq == SCSI_SENSE_ASCQ_INVALID_OPERATION_CODE)
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("iSCSI unit '%s' cannot hold a header: its target does not let a client "
                      "reserve it (RESERVE), so two hosts could change it at once"),
                    iscsi->where);
    else if (!ok)
        lukshdrISCSISetStatus(iscsi, error);
    lukshdrISCSIFreeTask(iscsi);
    return ok;
}
