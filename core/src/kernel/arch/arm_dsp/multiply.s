@ Lines times filters, two outputs at once, four pixels or two.
@
@ extern "C" fn(&Work)
@
@ In the loops: r0 weights, r1 line, r4-r7 output 0's sums of pixels 0 to 3, r8-r11 output 1's. r2 and r3 hold two
@ inputs' weights of both outputs, r12 and lr two inputs of a pixel each. Every instruction of an unrolled body has
@ four bytes, because the loop is entered in its middle where the filter is no multiple of it.

    .syntax unified
    .thumb

@ The stack, once the registers are saved.
    .equ LINE, 0            @ the line, less what the first round skips
    .equ SKIP, 4            @ bytes of weights that the first round skips
    .equ BIAS, 8            @ one address for each pixel
    .equ MULTIPLIER, 24
    .equ OUT, 28
    .equ STRIDE, 32         @ bytes from a pixel of the output to the next
    .equ LAST, 36           @ bytes from pixel 0 to the last one
    .equ OUT_END, 40
    .equ ENTRY, 44          @ where the first round enters the body
    .equ END, 48            @ behind the line

@ Saves registers, takes the work and works out the first round: `unroll` units in the body, of that many bytes of
@ weights, line and code each.
.macro enter unroll, weight_bytes, line_bytes, code_bytes, body, shift=0
    push    {r4-r11, lr}
    ldm     r0!, {r4-r11}               @ biases, multiplier, out, stride, last
    ldm     r0, {r0-r3}                 @ end of out, line, weights, units
    .if \shift
    lsr     r3, r3, #\shift
    .endif
    mov     r12, #\line_bytes
    mla     lr, r3, r12, r1             @ end of the line
    push    {r0, r1, lr}                @ the second makes place for the entry
    push    {r4-r11}
    @ Units that the first round skips: (-units) mod unroll.
    rsbs    r3, r3, #0
    .if (\unroll & (\unroll - 1)) == 0
    and     r3, r3, #(\unroll - 1)
    .else
    mov     r5, #\unroll
    sdiv    r4, r3, r5
    mls     r3, r4, r5, r3
    cmp     r3, #0
    it      lt
    addlt   r3, r5
    .endif
    mls     r1, r3, r12, r1
    mov     r4, #\weight_bytes
    mul     r4, r3, r4
    push    {r1, r4}
    adr.w   r5, \body
    mov     r4, #\code_bytes
    mla     r5, r3, r4, r5
    orr     r5, r5, #1
    str     r5, [sp, #ENTRY]
    mov     r0, r2
.endm

.macro leave
    add     sp, #52
    pop     {r4-r11, pc}
.endm

@ Starts the sums of a pair of outputs with one bias for all pixels.
.macro start_pixels
    ldm     sp, {r1, r2, r12}
    ldrd    r4, r8, [r12], #8
    str     r12, [sp, #BIAS]
    mov     r5, r4
    mov     r9, r8
    subs    r0, r0, r2
.endm

@ Goes on while there is line left.
.macro again weight_bytes, line_bytes, body
    add     r0, r0, #\weight_bytes
    add     r1, r1, #\line_bytes
    ldr     r2, [sp, #END]
    cmp     r1, r2
    bne.w   \body
    ldr     r1, [sp, #MULTIPLIER]
    ldrd    r2, r3, [r1], #8
    str     r1, [sp, #MULTIPLIER]
.endm

@ One output of one pixel: what `arithmetic::requantise` does.
.macro requantise sum, multiplier
    smmulr  \sum, \sum, \multiplier
    usat    \sum, #8, \sum
.endm

@ Weights of output 0 and 1 for two inputs out of the word in r2.
.macro widen_weights
    sxtb16  r3, r2
    sxtb16  r2, r2, ror #8
.endm

@ Two inputs of a pixel, times both outputs' weights.
.macro both input, sum0, sum1
    smlad   \sum0, r3, \input, \sum0
    smlad   \sum1, r2, \input, \sum1
.endm

@ Writes four pixels' pairs and goes on while there are outputs. The last pixel first: of three, it is the third
@ once more, or what has no meaning, and is overwritten.
.macro write_four pair
    requantise r7, r2
    requantise r4, r2
    requantise r5, r2
    requantise r6, r2
    requantise r11, r3
    requantise r8, r3
    requantise r9, r3
    requantise r10, r3
    ldr     r1, [sp, #OUT]
    ldr     r12, [sp, #OUT_END]
    ldrd    r2, r3, [sp, #STRIDE]
    strb    r7, [r1, r3]
    strb    r4, [r1]
    strb    r5, [r1, r2]
    strb    r6, [r1, r2, lsl #1]
    adds    r1, #1
    strb    r11, [r1, r3]
    strb    r8, [r1]
    strb    r9, [r1, r2]
    strb    r10, [r1, r2, lsl #1]
    adds    r1, #1
    str     r1, [sp, #OUT]
    cmp     r1, r12
    bne.w   \pair
    leave
.endm

@ The same for two pixels, sums in r4, r5 and r8, r9.
.macro write_two pair
    requantise r5, r2
    requantise r4, r2
    requantise r9, r3
    requantise r8, r3
    ldr     r1, [sp, #OUT]
    ldr     r12, [sp, #OUT_END]
    ldr     r3, [sp, #LAST]
    strb    r5, [r1, r3]
    strb    r4, [r1]
    adds    r1, #1
    strb    r9, [r1, r3]
    strb    r8, [r1]
    adds    r1, #1
    str     r1, [sp, #OUT]
    cmp     r1, r12
    bne.w   \pair
    leave
.endm

@ Four pixels, one tap. A unit is two inputs: 14 instructions for 16 MACs.
    .section .text.denselet_pixels_by_four,"ax",%progbits
    .global denselet_pixels_by_four
    .type denselet_pixels_by_four,%function
    .thumb_func
denselet_pixels_by_four:
    enter   16, 4, 16, 56, 2f
1:  start_pixels
    mov     r6, r4
    mov     r7, r4
    mov     r10, r8
    mov     r11, r8
    ldr     pc, [sp, #ENTRY]
    .balign 4
2:  .set    unit, 0
    .rept   16
    ldr.w   r2, [r0, #(4 * unit)]
    ldr.w   r12, [r1, #(16 * unit)]
    ldr.w   lr, [r1, #(16 * unit + 4)]
    widen_weights
    both    r12, r4, r8
    both    lr, r5, r9
    ldrd    r12, lr, [r1, #(16 * unit + 8)]
    both    r12, r6, r10
    both    lr, r7, r11
    .set    unit, unit + 1
    .endr
    again   64, 256, 2b
    write_four 1b
    .size denselet_pixels_by_four, . - denselet_pixels_by_four

@ Two pixels, one tap. A unit is four inputs: 18 instructions for 16 MACs.
    .section .text.denselet_pixels_by_two,"ax",%progbits
    .global denselet_pixels_by_two
    .type denselet_pixels_by_two,%function
    .thumb_func
denselet_pixels_by_two:
    enter   8, 8, 32, 72, 2f, 1
1:  start_pixels
    ldr     pc, [sp, #ENTRY]
    .balign 4
2:  .set    unit, 0
    .rept   8
    ldr.w   r2, [r0, #(8 * unit)]
    ldr.w   r10, [r0, #(8 * unit + 4)]
    ldr.w   r12, [r1, #(32 * unit)]
    ldr.w   lr, [r1, #(32 * unit + 4)]
    ldr.w   r6, [r1, #(32 * unit + 16)]
    ldr.w   r7, [r1, #(32 * unit + 20)]
    widen_weights
    sxtb16  r11, r10
    sxtb16  r10, r10, ror #8
    both    r12, r4, r8
    both    lr, r5, r9
    smlad   r4, r11, r6, r4
    smlad   r8, r10, r6, r8
    smlad   r5, r11, r7, r5
    smlad   r9, r10, r7, r9
    .set    unit, unit + 1
    .endr
    again   64, 256, 2b
    write_two 1b
    .size denselet_pixels_by_two, . - denselet_pixels_by_two

@ Four pixels, rows of three taps. A unit is two inputs of a row: 39 instructions for 48 MACs. Of six columns, each tap
@ needs four, and two stay in registers from one tap to the next.
    .section .text.denselet_window_by_four,"ax",%progbits
    .global denselet_window_by_four
    .type denselet_window_by_four,%function
    .thumb_func
denselet_window_by_four:
    enter   6, 12, 24, 156, 2f
1:  add     r12, sp, #BIAS
    ldm     r12, {r4-r7}
    ldrd    r4, r8, [r4]
    ldrd    r5, r9, [r5]
    ldrd    r6, r10, [r6]
    ldrd    r7, r11, [r7]
    ldrd    r2, r3, [r12]
    adds    r2, #8
    adds    r3, #8
    strd    r2, r3, [r12]
    ldrd    r2, r3, [r12, #8]
    adds    r2, #8
    adds    r3, #8
    strd    r2, r3, [r12, #8]
    ldm     sp, {r1, r2}
    subs    r0, r0, r2
    ldr     pc, [sp, #ENTRY]
    .balign 4
2:  .set    unit, 0
    .rept   6
    ldr.w   r2, [r0, #(12 * unit)]
    ldr.w   r12, [r1, #(24 * unit)]
    ldr.w   lr, [r1, #(24 * unit + 12)]
    widen_weights
    both    r12, r4, r8
    both    lr, r7, r11
    ldrd    r12, lr, [r1, #(24 * unit + 4)]
    both    r12, r5, r9
    both    lr, r6, r10
    ldr.w   r2, [r0, #(12 * unit + 4)]
    widen_weights
    both    r12, r4, r8
    both    lr, r5, r9
    ldrd    r12, lr, [r1, #(24 * unit + 12)]
    both    r12, r6, r10
    both    lr, r7, r11
    ldr.w   r2, [r0, #(12 * unit + 8)]
    widen_weights
    both    r12, r5, r9
    both    lr, r6, r10
    ldr.w   r12, [r1, #(24 * unit + 8)]
    ldr.w   lr, [r1, #(24 * unit + 20)]
    both    r12, r4, r8
    both    lr, r7, r11
    .set    unit, unit + 1
    .endr
    again   72, 144, 2b
    write_four 1b
    .size denselet_window_by_four, . - denselet_window_by_four

@ Two pixels, rows of three taps: 25 instructions for 24 MACs.
    .section .text.denselet_window_by_two,"ax",%progbits
    .global denselet_window_by_two
    .type denselet_window_by_two,%function
    .thumb_func
denselet_window_by_two:
    enter   6, 12, 24, 100, 2f
1:  ldrd    r2, r3, [sp, #BIAS]
    ldrd    r4, r8, [r2], #8
    ldrd    r5, r9, [r3], #8
    strd    r2, r3, [sp, #BIAS]
    ldm     sp, {r1, r2}
    subs    r0, r0, r2
    ldr     pc, [sp, #ENTRY]
    .balign 4
2:  .set    unit, 0
    .rept   6
    ldr.w   r2, [r0, #(12 * unit)]
    ldr.w   r10, [r0, #(12 * unit + 4)]
    ldr.w   r11, [r0, #(12 * unit + 8)]
    ldr.w   r12, [r1, #(24 * unit)]
    ldr.w   lr, [r1, #(24 * unit + 4)]
    ldr.w   r6, [r1, #(24 * unit + 8)]
    ldr.w   r7, [r1, #(24 * unit + 12)]
    widen_weights
    both    r12, r4, r8
    both    lr, r5, r9
    sxtb16  r3, r10
    sxtb16  r2, r10, ror #8
    both    lr, r4, r8
    both    r6, r5, r9
    sxtb16  r3, r11
    sxtb16  r2, r11, ror #8
    both    r6, r4, r8
    both    r7, r5, r9
    .set    unit, unit + 1
    .endr
    again   72, 144, 2b
    write_two 1b
    .size denselet_window_by_two, . - denselet_window_by_two
