! Fits one spectrum, in Fortran: fit_one_f MODEL.onnx SPECTRUM.txt; see spectra_text.hpp for the format.
module maury
  use, intrinsic :: iso_c_binding
  implicit none

  type, bind(c) :: maury_spectrum
    integer(c_size_t) :: n_pixels
    type(c_ptr) :: wavelength, flux, ivar, lsf, mask, arm
    integer(c_size_t) :: n_neighbours
    type(c_ptr) :: resolution
    integer(c_size_t) :: n_starts
    type(c_ptr) :: starts
    real(c_double) :: rv, snr
    integer(c_int64_t) :: quality
  end type

  type, bind(c) :: maury_result
    integer(c_size_t) :: n_labels, n_arms
    type(c_ptr) :: labels, errors, formal_errors, model_errors, covariance, formal_covariance, arm_rv
    type(c_ptr) :: model, continuum, weight, fitted_flux, fitted_ivar
    real(c_double) :: chi2, chi2_noise, rchi2, rchi2_noise, rv, rv_err, broadening, broadening_err
    real(c_double) :: snr, training_distance
    integer(c_int32_t) :: n_pixels, n_clipped, n_starts, n_agree, n_evaluations, status, converged, start
    integer(c_int32_t) :: flags, valid
    type(c_ptr) :: problem
  end type

  interface
    integer(c_int) function maury_model_load(path, model) bind(c)
      import
      character(kind=c_char), intent(in) :: path(*)
      type(c_ptr), intent(out) :: model
    end function
    integer(c_int) function maury_fit_new(model, options, fit) bind(c)
      import
      type(c_ptr), value :: model
      character(kind=c_char), intent(in) :: options(*)
      type(c_ptr), intent(out) :: fit
    end function
    integer(c_int) function maury_execute(fit, spectrum, result) bind(c)
      import
      type(c_ptr), value :: fit
      type(maury_spectrum), intent(in) :: spectrum
      type(maury_result), intent(out) :: result
    end function
    type(maury_spectrum) function maury_spectrum_of(n_pixels, wavelength, flux, ivar, lsf) bind(c)
      import
      integer(c_size_t), value :: n_pixels
      type(c_ptr), value :: wavelength, flux, ivar, lsf
    end function
    subroutine maury_fit_free(fit) bind(c)
      import
      type(c_ptr), value :: fit
    end subroutine
    subroutine maury_model_free(model) bind(c)
      import
      type(c_ptr), value :: model
    end subroutine
  end interface
end module

program fit_one
  use maury
  implicit none
  integer, parameter :: most_pixels = 100000
  real(c_double), target :: wavelength(most_pixels), flux(most_pixels), ivar(most_pixels), lsf(most_pixels)
  integer(c_int32_t), target :: arm(most_pixels)
  real(c_double), pointer :: labels(:), errors(:)
  character(len=1024) :: path, file, line
  character(len=32) :: name
  real(c_double) :: value, rv, snr
  logical :: has_rv, has_snr, has_arm
  integer :: n, l, unit, failed
  type(c_ptr) :: model, fit
  type(maury_spectrum) :: spectrum
  type(maury_result) :: result

  call get_command_argument(1, path)
  call get_command_argument(2, file)
  n = 0
  has_rv = .false.
  has_snr = .false.
  has_arm = .false.
  open (newunit=unit, file=trim(file), status='old', action='read')
  do
    read (unit, '(a)', iostat=failed) line
    if (failed /= 0) exit
    if (line(1:1) == '#') then
      read (line(2:), *, iostat=failed) name, value
      if (failed == 0 .and. name == 'rv') then
        rv = value
        has_rv = .true.
      else if (failed == 0 .and. name == 'snr') then
        snr = value
        has_snr = .true.
      end if
      cycle
    end if
    read (line, *, iostat=failed) wavelength(n + 1), flux(n + 1), ivar(n + 1), lsf(n + 1), arm(n + 1)
    has_arm = has_arm .or. failed == 0
    if (failed /= 0) read (line, *, iostat=failed) wavelength(n + 1), flux(n + 1), ivar(n + 1), lsf(n + 1)
    if (failed /= 0) exit
    n = n + 1
  end do
  close (unit)

  spectrum = maury_spectrum_of(int(n, c_size_t), c_loc(wavelength), c_loc(flux), c_loc(ivar), c_loc(lsf))
  if (has_rv) spectrum%rv = rv
  if (has_snr) spectrum%snr = snr
  if (has_arm) spectrum%arm = c_loc(arm)
  if (maury_model_load(trim(path)//c_null_char, model) /= 0) error stop 'the model cannot be read'
  if (maury_fit_new(model, c_null_char, fit) /= 0) error stop 'no fit'
  if (maury_execute(fit, spectrum, result) /= 0) error stop 'not fitted'
  call c_f_pointer(result%labels, labels, [result%n_labels])
  call c_f_pointer(result%errors, errors, [result%n_labels])
  do l = 1, int(result%n_labels)
    print '(es13.6, 1x, es11.4)', labels(l), errors(l)
  end do
  print '(a, i0)', 'flags ', result%flags
  call maury_fit_free(fit)
  call maury_model_free(model)
end program
