# Targets memgrove::<allocator>, memgrove::<allocator>-threads and memgrove::<allocator>-hardened, for
# find_package(memgrove). Link one; it comes before the C library, whose malloc is then left out.
get_filename_component(_memgrove_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
foreach(_memgrove_archive IN ITEMS wee dlmalloc jemalloc hoard)
  foreach(_memgrove_suffix IN ITEMS "" "-threads" "-hardened")
    set(_memgrove_name "${_memgrove_archive}${_memgrove_suffix}")
    set(_memgrove_file "${_memgrove_prefix}/lib/libmemgrove_${_memgrove_name}.a")
    if(EXISTS "${_memgrove_file}" AND NOT TARGET "memgrove::${_memgrove_name}")
      add_library("memgrove::${_memgrove_name}" STATIC IMPORTED)
      set_target_properties("memgrove::${_memgrove_name}" PROPERTIES
        IMPORTED_LOCATION "${_memgrove_file}"
        INTERFACE_INCLUDE_DIRECTORIES "${_memgrove_prefix}/include")
    endif()
  endforeach()
endforeach()
unset(_memgrove_prefix)
unset(_memgrove_archive)
unset(_memgrove_suffix)
unset(_memgrove_name)
unset(_memgrove_file)
