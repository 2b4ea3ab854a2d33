/*
 * vol-xml.h: volume XML with a detached header
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reads the <encryption> that docs/xml.md describes, takes it out before the stock
 * parser sees the rest, and puts it into what vol-dumpxml shows.
 */

#pragma once

#include <libvirt/libvirt.h>

#include "link/format.h"
#include "link/link.h"

/* appended to a payload's name to get the default name of its header */
#define LUKSHDR_HEADER_SUFFIX ".luks"

/* What <header link='...'> asks for */
typedef enum {
    LUKSHDR_HEADER_LINK_NEW,      /* both volumes are made; the default without the attribute */
    LUKSHDR_HEADER_LINK_EXISTING, /* both exist, and become a linked volume */
    LUKSHDR_HEADER_LINK_UNLINK,   /* they are a linked volume, and shall no longer be one */
    LUKSHDR_HEADER_LINK_CHECK, /* they are a linked volume: does the secret open it?  Nothing is changed */
    LUKSHDR_HEADER_LINK_SHARE, /* the header exists, and belongs to another linked volume */
    LUKSHDR_HEADER_LINK_COPY,  /* when cloning: the source's header, with its master key */
    LUKSHDR_HEADER_LINK_TRIM,  /* they are a linked volume, parts of which shall be freed */
} lukshdrHeaderLinkAction;

/**
 * lukshdrHeaderLinkActionToString:
 * @action: an action
 *
 * Returns: its name in XML, static.
 */
const char *
lukshdrHeaderLinkActionToString(lukshdrHeaderLinkAction action);

/* Where one copy of the header is or will be */
typedef struct _lukshdrHeaderSource lukshdrHeaderSource;
struct _lukshdrHeaderSource {
    char *pool;
    char *volume;
};

/* A part of the disk, bytes; both are multiples of LUKSHDR_VOLUME_SECTOR */
typedef struct _lukshdrVolumeRange lukshdrVolumeRange;
struct _lukshdrVolumeRange {
    guint64 offset;
    guint64 size;
};

#define LUKSHDR_VOLUME_SECTOR 512

typedef struct _lukshdrVolumeXML lukshdrVolumeXML;
struct _lukshdrVolumeXML {
    char *name;  /* of the payload volume */
    char *stock; /* the XML without <encryption>, for the stock entry */
    lukshdrHeaderLinkAction action;
    GPtrArray *headers; /* of lukshdrHeaderSource *: the header, then its replicas */
    char *secretUUID;   /* one of the two is NULL; both, if a secret is to be generated */
    char *secretUsage;
    bool hasCipher; /* the XML has a <cipher> or an <ivgen> */
    char *
        image; /* qemu-img's options for the qcow2 that we make in the raw volume of stock (image.h);
                     * else NULL */
    int unusedDomain; /* with TRIM: id of the running domain that found out what is not used */
    GArray *unused;   /* with TRIM: lukshdrVolumeRange, in ascending order, none overlaps another */
    lukshdrFormatParams params;
};

/**
 * lukshdrVolumeXMLFree:
 * @xml: what lukshdrVolumeXMLParse made, or NULL
 */
void
lukshdrVolumeXMLFree(lukshdrVolumeXML *xml);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrVolumeXML, lukshdrVolumeXMLFree)

/**
 * lukshdrVolumeXMLPrimary:
 * @xml: volume XML
 *
 * Returns: the source of the header itself, owned by @xml; NULL if it names none, which the actions UNLINK,
 * CHECK and TRIM do without.
 */
const lukshdrHeaderSource *
lukshdrVolumeXMLPrimary(const lukshdrVolumeXML *xml);

/**
 * lukshdrVolumeXMLRename:
 * @xml: volume XML
 * @volume: the new name of the header and of the replicas that had the name of the header
 *
 * For a client that asks for a clone with the source's own XML.
 */
void
lukshdrVolumeXMLRename(lukshdrVolumeXML *xml, const char *volume);

/**
 * lukshdrVolumeXMLParse:
 * @text: volume XML as a client sent it
 * @xml: set to what it asks for, or to NULL if it asks for no detached header
 *       and is the stock entry's business as it is
 * @error: VIR_ERR_XML_ERROR; VIR_ERR_CONFIG_UNSUPPORTED for something that libvirt or
 *         QEMU know but a linked volume cannot have
 *
 * Returns: true with @xml set or NULL, or false with @error set.
 */
bool
lukshdrVolumeXMLParse(const char *text, lukshdrVolumeXML **xml, GError **error);

/**
 * lukshdrVolumeXMLToImage:
 * @xml: what a client asks for, of format qcow2
 * @error: VIR_ERR_XML_ERROR; VIR_ERR_CONFIG_UNSUPPORTED
 *
 * Makes @xml->stock ask for a raw volume, and sets @xml->image from what it said of the qcow2:
 * <compat>, <clusterSize>, <features>.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrVolumeXMLToImage(lukshdrVolumeXML *xml, GError **error);

/**
 * lukshdrVolumeXMLShowImage:
 * @text: volume XML as stock writes it
 * @format: the format of what is in the volume
 * @capacity: how large the disk in it is, bytes; 0 leaves what stock says
 *
 * Returns: the same with those, to be freed with free(3), or NULL if @text is no volume's.
 */
char *
lukshdrVolumeXMLShowImage(const char *text, const char *format, guint64 capacity);

/**
 * lukshdrVolumeXMLHeader:
 * @name: name of the header volume
 *
 * Returns: XML to create a header volume by the stock entry, mode 0600, fully
 * allocated, to be freed with g_free.
 */
char *
lukshdrVolumeXMLHeader(const char *name);

/**
 * lukshdrVolumeXMLSetCapacity:
 * @text: volume XML
 * @capacity: bytes
 * @error: VIR_ERR_XML_ERROR
 *
 * Returns: @text with that capacity if it has none or 0, as a clone's XML may have; freed with
 * g_free; NULL with @error set.
 */
char *
lukshdrVolumeXMLSetCapacity(const char *text, unsigned long long capacity, GError **error);

/**
 * lukshdrVolumeXMLNameOf:
 * @text: volume XML as a client sent it
 * @error: VIR_ERR_XML_ERROR
 *
 * Returns: the volume's name, freed with g_free; NULL with @error set.
 */
char *
lukshdrVolumeXMLNameOf(const char *text, GError **error);

/**
 * lukshdrVolumeXMLIsEncrypted:
 * @text: volume XML
 *
 * Returns: true if it has an <encryption> of any kind in <target>.
 */
bool
lukshdrVolumeXMLIsEncrypted(const char *text);

/**
 * lukshdrVolumeXMLHasBacking:
 * @text: volume XML
 *
 * Returns: true if it has a backing store.
 */
bool
lukshdrVolumeXMLHasBacking(const char *text);

/**
 * lukshdrVolumeXMLFormatSaid:
 * @text: volume XML
 *
 * Returns: the format that it names, to be freed with g_free, or NULL if it names none.
 */
char *
lukshdrVolumeXMLFormatSaid(const char *text);

/**
 * lukshdrVolumeXMLFormatOf:
 * @text: vol-dumpxml of a payload volume as stock writes it
 * @error: VIR_ERR_INTERNAL_ERROR
 *
 * Returns: name of its format, to be freed with g_free.  "raw" for a block
 * device: what libvirt shows there is a partition type, or nothing.
 * NULL with @error set.
 */
char *
lukshdrVolumeXMLFormatOf(const char *text, GError **error);

/**
 * lukshdrVolumeXMLShowPayload:
 * @text: vol-dumpxml of a payload volume as stock writes it
 * @link: its link
 * @state: what else is to be said of an active link, such as LUKSHDR_XML_STATE_REPLACED, or NULL
 *
 * Returns: @text with the link's <encryption> with <header> in <target>, which has the link's state
 * unless that is active; to be freed with free(3) as an API result; NULL if @text is not as expected.
 */
char *
lukshdrVolumeXMLShowPayload(const char *text, const lukshdrLink *link, const char *state);

/**
 * lukshdrVolumeXMLShowHeader:
 * @text: vol-dumpxml of a header volume as stock writes it
 * @links: lukshdrLink *, the links that have this volume as their header or as a replica of it
 *
 * Returns: @text with <payload> in <encryption> in <target>, to be freed with
 * free(3) as an API result; NULL if @text is not as expected.
 */
char *
lukshdrVolumeXMLShowHeader(const char *text, GPtrArray *links);

/**
 * lukshdrVolumeXMLShowFound:
 * @text: vol-dumpxml of a volume in a header pool as stock writes it
 * @links: lukshdrLink *, the links that its label claims and nobody follows
 *
 * Returns: as lukshdrVolumeXMLShowHeader, with state='found' at each payload.
 */
char *
lukshdrVolumeXMLShowFound(const char *text, GPtrArray *links);

/**
 * lukshdrVolumeXMLMarkLost:
 * @text: vol-dumpxml of a payload or header volume as the two functions above made it
 * @isLost: whether a volume that a link names is not where it should be
 *
 * Returns: @text with state='missing' at each <source> that is lost, to be freed with free(3) as
 * an API result; NULL if @text is not as expected.
 */
char *
lukshdrVolumeXMLMarkLost(const char *text, bool (*isLost)(const char *pool, const char *volume));
