#include "test.h"

#include "restorer/image.h"

#include <string.h>

/* A small sound image: one file, its text, data, untouched memory and the vDSO. */
struct small {
    struct image_header header;
    struct image_file files[1];
    struct image_segment segments[5];
    char names[16];
};
_Static_assert(sizeof(struct small) == 80 + 40 + 5 * 32 + 16, "as in a file");

static struct small image;

static struct image_header *sound(void)
{
    static const char magic[8] = IMAGE_MAGIC;
    image = (struct small){
        .header = {.size_bytes = 4 * IMAGE_PAGE,
                   .version = IMAGE_VERSION,
                   .file_count = 1,
                   .segment_count = 5,
                   .names_bytes = 16,
                   .resume_ip = 0x400010,
                   .resume_sp = 0x500ff8},
        .files = {{.dev = 1, .ino = 2, .mtime_ns = 3, .size = 8192, .name = 0}},
        .segments = {{0x400000, 0x401000, 0, 0, IMAGE_FILE, 5, 0, 0},
                     {0x401000, 0x402000, 0x1000, 0, IMAGE_DATA, 3, 0, 0},
                     {0x402000, 0x500000, 0, 0, IMAGE_ANON, 3, 0, 0},
                     {0x500000, 0x502000, 0x2000, 0, IMAGE_DATA, 3, 0, 0},
                     {0x7fff00000000, 0x7fff00002000, 0, 0, IMAGE_VDSO, 5, 1, 0}},
        .names = "/usr/bin/x",
    };
    memcpy(image.header.magic, magic, sizeof magic);
    image.header.check = image_check_of(&image.header);
    return &image.header;
}

static enum image_fault check(void)
{
    enum image_fault fault = image_check_header(&image.header);
    if (fault != IMAGE_OK)
        return fault;
    image.header.check = image_check_of(&image.header);
    return image_check(&image.header);
}

static void a_sound_image_passes(void **state)
{
    (void) state;
    sound();
    assert_int_equal(check(), IMAGE_OK);
    assert_int_equal(image_tables_size(&image.header), sizeof image);
}

static void each_bit_of_the_tables_counts(void **state)
{
    (void) state;
    unsigned char *bytes = (unsigned char *) sound();
    for (size_t bit = 0; bit < sizeof image * 8; bit++) {
        bytes[bit / 8] ^= (unsigned char) (1u << bit % 8);
        bool is_refused = image_check_header(&image.header) != IMAGE_OK;
        if (!is_refused && image_tables_size(&image.header) <= sizeof image)
            is_refused = image_check(&image.header) != IMAGE_OK;
        else
            is_refused = true; /* the restorer reads as many bytes as the header says, or fails */
        assert_true(is_refused);
        bytes[bit / 8] ^= (unsigned char) (1u << bit % 8);
    }
    assert_int_equal(image_check(&image.header), IMAGE_OK);
}

#define REFUSED(change, fault)                                                                     \
    do {                                                                                           \
        sound();                                                                                   \
        change;                                                                                    \
        assert_int_equal(check(), fault);                                                          \
    } while (0)

static void impossible_headers_are_refused(void **state)
{
    (void) state;
    REFUSED(image.header.magic[7] = 'X', IMAGE_FAULT_HEADER);
    REFUSED(image.header.version = 2, IMAGE_FAULT_HEADER);
    REFUSED(image.header.segment_count = 0, IMAGE_FAULT_HEADER);
    REFUSED(image.header.segment_count = IMAGE_SEGMENTS_MAX + 1, IMAGE_FAULT_HEADER);
    REFUSED(image.header.file_count = UINT32_MAX, IMAGE_FAULT_HEADER);
    REFUSED(image.header.names_bytes = IMAGE_NAMES_MAX + 8, IMAGE_FAULT_HEADER);
    REFUSED(image.header.names_bytes = 15, IMAGE_FAULT_HEADER);
    REFUSED(image.header.size_bytes = 0, IMAGE_FAULT_HEADER);
    REFUSED(image.header.size_bytes = 4097, IMAGE_FAULT_HEADER);
    REFUSED(image.header.size_bytes = UINT64_MAX - 4095, IMAGE_FAULT_HEADER);
    REFUSED(image.header.zero[1] = 1, IMAGE_FAULT_HEADER);
}

static void impossible_tables_are_refused(void **state)
{
    (void) state;
    REFUSED(image.names[15] = 'x', IMAGE_FAULT_NAMES);
    REFUSED(image.files[0].name = 16, IMAGE_FAULT_FILES);
    REFUSED(image.files[0].name = 1, IMAGE_FAULT_FILES); /* not absolute */
    struct image_segment *s = image.segments;
    REFUSED(s[0].kind = 0, IMAGE_FAULT_SEGMENTS);
    REFUSED(s[0].kind = IMAGE_KINDS, IMAGE_FAULT_SEGMENTS);
    REFUSED(s[0].prot = 8, IMAGE_FAULT_SEGMENTS);
    REFUSED(s[0].prot = 1, IMAGE_FAULT_SEGMENTS); /* nowhere to go on */
    REFUSED(s[0].file = 1, IMAGE_FAULT_SEGMENTS);
    REFUSED(s[0].start = 0x400001, IMAGE_FAULT_SEGMENTS);
    REFUSED(s[0].start = 0, IMAGE_FAULT_SEGMENTS);
    REFUSED(s[0].start = s[0].end, IMAGE_FAULT_SEGMENTS);
    REFUSED(s[1].end = 0x403000, IMAGE_FAULT_SEGMENTS);  /* overlaps the next */
    REFUSED(s[1].offset = 0, IMAGE_FAULT_SEGMENTS);      /* the tables themselves */
    REFUSED(s[3].offset = 0x3000, IMAGE_FAULT_SEGMENTS); /* past the end */
    REFUSED(s[3].offset = UINT64_MAX - 4095, IMAGE_FAULT_SEGMENTS);
    REFUSED(s[2].offset = 0x1000, IMAGE_FAULT_SEGMENTS);
    REFUSED(s[4].end = UINT64_MAX - 4095, IMAGE_FAULT_SEGMENTS);
    REFUSED((s[4].start = IMAGE_OWN_START, s[4].end = IMAGE_OWN_START + 4096),
            IMAGE_FAULT_SEGMENTS);
    REFUSED((s[4].start = IMAGE_OWN_START - 4096, s[4].end = IMAGE_OWN_END + 4096),
            IMAGE_FAULT_SEGMENTS);
    REFUSED((s[3].kind = IMAGE_VDSO, s[3].offset = 0, s[3].is_vdso = 1), IMAGE_FAULT_SEGMENTS);
    REFUSED(image.header.resume_ip = 0x401000, IMAGE_FAULT_SEGMENTS); /* not executable */
}

static void kernels_differ_by_release_version_and_machine(void **state)
{
    (void) state;
    struct image_uname a = {.release = "6.18", .version = "#1", .machine = "x86_64"}, b = a;
    b.nodename[0] = 'x';
    assert_true(image_kernel(&a) == image_kernel(&b));
    b.version[1] = '2';
    assert_true(image_kernel(&a) != image_kernel(&b));
    b = a;
    b.release[3] = '9';
    assert_true(image_kernel(&a) != image_kernel(&b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_image_passes),
        cmocka_unit_test(each_bit_of_the_tables_counts),
        cmocka_unit_test(impossible_headers_are_refused),
        cmocka_unit_test(impossible_tables_are_refused),
        cmocka_unit_test(kernels_differ_by_release_version_and_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
