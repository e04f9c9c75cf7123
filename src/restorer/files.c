/* The table of restorer/files.h. The arrays are made by tools/embed.py from what is built here. */
#include "restorer/files.h"

#include "restorer/restorer.h"

#if RESTORER_IS_HERE

#include "restorer/restore_program.h"
#include "restorer/snap_node_module.h"
#include "restorer/snap_python_module.h"

const struct restorer_file restorer_files[] = {
    {RESTORER_NAME, restore_program, &restore_program_size, true},
    {"virga_snap.abi3.so", snap_python_module, &snap_python_module_size, false},
    {"virga_snap.node", snap_node_module, &snap_node_module_size, false},
};
const size_t restorer_file_count = sizeof restorer_files / sizeof restorer_files[0];

#else

const struct restorer_file restorer_files[1] = {{NULL, NULL, NULL, false}};
const size_t restorer_file_count = 0;

#endif
