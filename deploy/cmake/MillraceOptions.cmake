# SPDX-License-Identifier: BSD-3-Clause
# Mirrors every option of meson_options.txt as a cache variable MILLRACE_<NAME>.
include_guard()

set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
  ${CMAKE_SOURCE_DIR}/meson_options.txt ${CMAKE_SOURCE_DIR}/VERSION)
file(STRINGS ${CMAKE_SOURCE_DIR}/meson_options.txt option_lines REGEX "^option\\(")
foreach(line IN LISTS option_lines)
  string(CONCAT form "^option\\('([a-z_]+)', type: '(string|boolean)', "
    "value: ('(.*)'|true|false), description: '(.*)'\\)$")
  if(NOT line MATCHES "${form}")
    message(FATAL_ERROR "meson_options.txt: this line is not in the form that CMake reads: ${line}")
  endif()
  string(TOUPPER "MILLRACE_${CMAKE_MATCH_1}" name)
  if(CMAKE_MATCH_2 STREQUAL "boolean")
    string(REPLACE "true" "ON" value "${CMAKE_MATCH_3}")
    string(REPLACE "false" "OFF" value "${value}")
    set(${name} ${value} CACHE BOOL "${CMAKE_MATCH_5}")
  else()
    set(${name} "${CMAKE_MATCH_4}" CACHE STRING "${CMAKE_MATCH_5}")
  endif()
endforeach()

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Dev CACHE STRING "Dev, Release or Debug" FORCE)
endif()
